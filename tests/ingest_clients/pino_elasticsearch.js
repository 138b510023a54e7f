// pino-elasticsearch: it sends no ids, so the connection must lose nothing.
const pino = require('pino')
const pinoElastic = require('pino-elasticsearch')

const [url, token, source, count] = process.argv.slice(2)
const stream = pinoElastic({
  index: source,
  node: `${url}/elastic`,
  auth: { apiKey: token },
  esVersion: 8,
  flushBytes: 1000
})
stream.on('error', (error) => { console.error(error); process.exitCode = 1 })
stream.on('insertError', (error) => { console.error(error); process.exitCode = 1 })
const logger = pino({ level: 'info', base: { hostname: source } }, stream)
for (let number = 0; number < Number(count); number++) logger.warn({ order: number }, `charge ${number}`)
stream.end()
