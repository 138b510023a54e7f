// pino-loki: it does not retry, so the connection must lose nothing.
const pino = require('pino')

const [url, token, source, count] = process.argv.slice(2)
const transport = pino.transport({
  target: 'pino-loki',
  options: { host: url, basicAuth: { username: 'any', password: token }, labels: { app: source }, batching: { interval: 1 } }
})
const logger = pino(transport)
for (let number = 0; number < Number(count); number++) logger.warn({ order: number }, `charge ${number}`)
setTimeout(() => transport.end(), 3000)
