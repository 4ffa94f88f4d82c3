// Records the typescript_*.json histories in this folder with the official TypeScript SDK on a real dev server.
//
// usage: copy this file and typescript_workflows.js into a folder of their own, outside of the repository, and in it
//        npm install protobufjs@8 @temporalio/{worker,client,workflow,activity,common} && node record_typescript.js ADDRESS
//        then copy the typescript_*.json of that folder back.
//        (ADDRESS as host:port; the server needs --search-attribute Colour=Keyword)
//
// The scripts in ../it/typescript.rs issue the same commands as the workflows in typescript_workflows.js.
const fs = require('node:fs');
const path = require('node:path');
const crypto = require('node:crypto');
const { NativeConnection, Worker } = require('@temporalio/worker');
const { Client, Connection } = require('@temporalio/client');
const { Context } = require('@temporalio/activity');
const { ApplicationFailure } = require('@temporalio/common');
const { historyToJSON } = require('@temporalio/common/lib/proto-utils');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const attempts = new Map();

const activities = {
  async greet(name) {
    return `Hello, ${name}!`;
  },
  async fail() {
    throw ApplicationFailure.nonRetryable('no', 'Refused');
  },
  async hang() {
    for (;;) {
      await Context.current().sleep(200);
      Context.current().heartbeat();
    }
  },
  async slow(ms) {
    await sleep(ms);
    return 'slow';
  },
  async flaky(key) {
    attempts.set(key, (attempts.get(key) ?? 0) + 1);
    if (attempts.get(key) === 1) {
      throw new Error('not yet');
    }
    return 'at last';
  },
};

async function main() {
  const address = process.argv[2];
  const taskQueue = 'record-typescript';
  const client = new Client({ connection: await Connection.connect({ address }) });
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address }),
    taskQueue,
    activities,
    workflowsPath: path.join(__dirname, 'typescript_workflows.js'),
  });
  const tag = crypto.randomUUID().slice(0, 8);
  const start = (type, id, options = {}) =>
    client.workflow.start(type, { taskQueue, workflowId: `${id}-${tag}`, ...options });
  const save = async (handle, name) => {
    const history = await handle.fetchHistory();
    fs.writeFileSync(path.join(__dirname, `typescript_${name}.json`), historyToJSON(history));
    console.log(name, history.events.length);
  };
  const refused = (promise) => promise.then(() => { throw new Error('it was to fail'); }, () => {});

  const all = async () => {
    let handle = await start('Activities', 'activities');
    await handle.result();
    await save(handle, 'activities');

    handle = await start('Handlers', 'handlers');
    const update = (name, value) => handle.executeUpdate(name, { args: [value] });
    await handle.signal('add', 'one');
    await update('quick', 'two');
    await handle.query('count');
    await refused(update('checked', 'bad'));
    await update('checked', 'good');
    const long = [update('long', 'x0'), update('long', 'x1')];
    await handle.signal('add', 'three');
    await Promise.all(long);
    await handle.signal('end');
    await handle.result();
    await save(handle, 'handlers');

    handle = await start('Patched', 'patched');
    await handle.result();
    await save(handle, 'patched');

    handle = await start('LocalActivities', 'local', { workflowTaskTimeout: '2s' });
    await handle.result();
    await save(handle, 'local_activities');

    await start('Handlers', 'parent', { workflowId: `parent-${tag}-external` });
    handle = await start('Parent', 'parent', { args: [`parent-${tag}`] });
    await handle.result();
    await save(handle, 'children');

    const searchAttributes = { Colour: ['red'] };
    handle = await start('Properties', 'properties', { args: [true], memo: { note: 1 }, searchAttributes });
    await handle.result();
    await save(client.workflow.getHandle(handle.workflowId, handle.firstExecutionRunId), 'continued_as_new');
    await save(client.workflow.getHandle(handle.workflowId), 'properties');

    handle = await start('Cancelled', 'cancelled');
    await sleep(500);
    await handle.cancel();
    await refused(handle.result());
    await save(handle, 'cancelled');
  };
  await worker.runUntil(all());
  await client.connection.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
