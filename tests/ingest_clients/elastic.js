// @elastic/elasticsearch: the bulk helper, with ids, so that a document that is sent again is stored once.
const { Client } = require('@elastic/elasticsearch')

const [url, token, source, count] = process.argv.slice(2)
const began = Date.now() - 60000

async function main () {
  const client = new Client({ node: `${url}/elastic`, auth: { apiKey: token }, maxRetries: 10, requestTimeout: 60000 })
  const documents = Array.from({ length: Number(count) }, (_, number) => ({
    '@timestamp': new Date(began + number).toISOString(),
    message: `charge ${number}`,
    log: { level: 'warn' },
    service: { name: source },
    order: number
  }))
  const result = await client.helpers.bulk({
    datasource: documents,
    flushBytes: 50000,
    retries: 10,
    wait: 100,
    onDocument: (document) => ({ create: { _index: source, _id: String(document.order) } })
  })
  if (result.failed) throw new Error(`${result.failed} failed`)
}

main().catch((error) => { console.error(error); process.exit(1) })
