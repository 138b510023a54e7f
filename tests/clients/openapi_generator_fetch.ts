// Calls the server with the typescript-fetch client of openapi-generator: URL and token are its arguments.
import { strict as assert } from "node:assert";
import { Configuration, ResponseError, SystemApi } from "./typescript-fetch";

const [url, token] = process.argv.slice(2);
const api = new SystemApi(new Configuration({ basePath: url, accessToken: token }));

async function main(): Promise<void> {
    const record = { message: "made by a generated client", category: "generated", context: { order: { id: 7 } } };
    const created = await api.systemLogsCreate({ recordOrRecords: record });
    const read = await api.systemLogsRetrieve({ id: created.id });
    assert.equal(read.message, "made by a generated client");
    const page = await api.systemLogsList({ category: ["generated"], context: { "context.order.id": "7" } });
    assert.deepEqual(page.items.map((item) => item.id), [created.id]);
    const others = await api.systemLogsList({ category: ["generated"], context: { "context.order.id": "8" } });
    assert.deepEqual(others.items, []);
    const bulk = await api.systemLogsCreateRaw({ recordOrRecords: [{ message: "1" }, { message: "2" }] });
    assert.equal(bulk.raw.status, 202);
    const facets = await api.systemLogsFacets({ field: new Set(["level"] as const) });
    assert("field" in facets && facets.field === "level");
    assert((await api.systemLogsHistogram({})).buckets);
    const exported = await api.systemLogsExport({ category: ["generated"] });
    assert((await exported.text()).includes("made by a generated client"));
    await assert.rejects(
        api.systemLogsList({ cursor: "none" }),
        (error: unknown) => error instanceof ResponseError && error.response.status === 400,
    );
    console.log("openapi-generator, TypeScript: all calls answered");
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
