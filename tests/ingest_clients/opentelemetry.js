// The SDK of OpenTelemetry for JavaScript, in JSON or protobuf.
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const { OTLPLogExporter } = require(`@opentelemetry/exporter-logs-otlp-${process.env.AS_JSON === 'yes' ? 'http' : 'proto'}`)

const [url, token, source, count] = process.argv.slice(2)
const exporter = new OTLPLogExporter({
  url: `${url}/v1/logs`,
  headers: { Authorization: `Bearer ${token}` },
  compression: 'gzip',
  timeoutMillis: 60000
})
const options = { maxExportBatchSize: 300, maxQueueSize: 100000, exportTimeoutMillis: 60000, exporter }
let processor
try { processor = new BatchLogRecordProcessor(options) } catch { processor = new BatchLogRecordProcessor(exporter, options) }
if (!processor._exporter?.export) processor = new BatchLogRecordProcessor(exporter, options)
const provider = new LoggerProvider({ resource: resourceFromAttributes({ 'service.name': source }), processors: [processor] })
const logger = provider.getLogger('billing')
for (let number = 0; number < Number(count); number++) {
  logger.emit({ severityNumber: 13, body: `charge ${number}`, attributes: { order: number } })
}
provider.forceFlush().then(() => provider.shutdown()).catch((error) => { console.error(error); process.exit(1) })
