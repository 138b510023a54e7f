// winston-elasticsearch: it sends no ids, so the connection must lose nothing.
const winston = require('winston')
const { ElasticsearchTransport } = require('winston-elasticsearch')

const [url, token, source, count] = process.argv.slice(2)
const transport = new ElasticsearchTransport({
  index: source,
  clientOpts: { node: `${url}/elastic`, auth: { apiKey: token } },
  transformer: ({ message, level, timestamp, meta }) => ({
    '@timestamp': timestamp || new Date().toISOString(), message, level, hostname: source, ...meta
  })
})
transport.on('error', (error) => { console.error(error); process.exitCode = 1 })
const logger = winston.createLogger({ transports: [transport] })
for (let number = 0; number < Number(count); number++) logger.warn(`charge ${number}`, { order: number })
setTimeout(() => transport.flush().then(() => process.exit()), 10000)
