// Calls the server with the client of @hey-api/openapi-ts: URL and token are its arguments.
import { createClient } from "./generated/client";
import {
    systemLogsCreate, systemLogsExport, systemLogsFacets, systemLogsHistogram, systemLogsList, systemLogsRetrieve,
} from "./generated";
import type { BulkResult, Record as LogRecord } from "./generated";

const [url, token] = process.argv.slice(2);
const client = createClient({ baseUrl: url, auth: () => token });

function assert(holds: unknown, otherwise: unknown): asserts holds {
    if (!holds) throw new Error(JSON.stringify(otherwise));
}

async function main(): Promise<void> {
    const body = { message: "made by a generated client", category: "generated", context: { order: 7 } };
    const created = (await systemLogsCreate({ client, body })).data as LogRecord;
    assert(created?.message === "made by a generated client", created);
    const read = await systemLogsRetrieve({ client, path: { id: created.id } });
    assert(read.data?.id === created.id, read.error);
    const query = { category: ["generated"], context: { "context.order": "7" } };
    const page = await systemLogsList({ client, query });
    assert(page.data?.items.some((item) => item.id === created.id), page.error);
    const others = await systemLogsList({ client, query: { ...query, context: { "context.order": "8" } } });
    assert(others.data?.items.length === 0, others);
    const bulk = (await systemLogsCreate({ client, body: [{ message: "1" }, { message: "2" }] })).data as BulkResult;
    assert(bulk?.accepted === 2, bulk);
    const facets = await systemLogsFacets({ client, query: { field: ["level"] } });
    assert(facets.data && "field" in facets.data && facets.data.field === "level", facets.error);
    const histogram = await systemLogsHistogram({ client });
    assert(histogram.data?.buckets, histogram.error);
    const exported = await systemLogsExport({ client, query: { category: ["generated"] }, parseAs: "text" });
    assert(String(exported.data).includes("made by a generated client"), exported.error);
    const wrong = await systemLogsList({ client, query: { cursor: "none" } });
    assert(wrong.error?.status === 400, wrong.data);
    console.log("@hey-api/openapi-ts: all calls answered");
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
