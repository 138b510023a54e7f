// winston-loki: protobuf in snappy; a batch that failed is sent again among new entries.
const winston = require('winston')
const LokiTransport = require('winston-loki')

const [url, token, source, count] = process.argv.slice(2)
const transport = new LokiTransport({
  host: url,
  basicAuth: `any:${token}`,
  labels: { app: source },
  interval: 1,
  json: process.env.AS_JSON === 'yes',
  onConnectionError: () => {}
})
const logger = winston.createLogger({ transports: [transport] })
for (let number = 0; number < Number(count); number++) {
  logger.warn({ message: `charge ${number}`, labels: { part: String(number % 3) } })
}
const timer = setInterval(() => {
  if (!transport.batcher.batch.streams.length) { clearInterval(timer); setTimeout(() => process.exit(), 2000) }
}, 500)
