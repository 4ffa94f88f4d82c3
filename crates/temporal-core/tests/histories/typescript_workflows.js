// The workflows whose histories record_typescript.js records.
const wf = require('@temporalio/workflow');

const quick = { startToCloseTimeout: '5s' };
const { greet, fail } = wf.proxyActivities(quick);
const cancellable = { startToCloseTimeout: '60s', heartbeatTimeout: '5s' };
const waiting = wf.proxyActivities({ ...cancellable, cancellationType: 'WAIT_CANCELLATION_COMPLETED' });
const trying = wf.proxyActivities({ ...cancellable, cancellationType: 'TRY_CANCEL' });
const here = wf.proxyLocalActivities({ startToCloseTimeout: '30s' });
const hereTrying = wf.proxyLocalActivities({ startToCloseTimeout: '60s', cancellationType: 'TRY_CANCEL' });
const hereFlaky = wf.proxyLocalActivities({
  startToCloseTimeout: '5s', retry: { initialInterval: '2s' }, localRetryThreshold: '1s',
});

async function ignore(promise) {
  try {
    await promise;
  } catch (error) {
    // What it ends with is in the history.
  }
}

/** Runs what `start` starts for `time`, then cancels it and awaits its end. */
async function cancelled(start, time) {
  const scope = new wf.CancellationScope();
  const running = scope.run(start);
  await wf.sleep(time);
  scope.cancel();
  await ignore(running);
}

exports.Activities = async function () {
  const one = greet('a');
  const two = greet('b');
  await one;
  await two;
  await ignore(fail('x'));
  await cancelled(() => waiting.hang('h'), '1s');
  await cancelled(() => trying.hang('t'), '1s');
  return 'done';
};

exports.Handlers = async function () {
  const values = [];
  let done = false;
  wf.setHandler(wf.defineSignal('add'), (value) => { values.push(value); });
  wf.setHandler(wf.defineSignal('end'), async () => {
    await greet('signal');
    done = true;
  });
  wf.setHandler(wf.defineUpdate('quick'), (value) => {
    values.push(value);
    return value;
  });
  wf.setHandler(wf.defineUpdate('long'), async (value) => {
    await wf.sleep('300ms');
    return await greet(value);
  });
  const validator = (value) => {
    if (value === 'bad') {
      throw new Error('bad');
    }
  };
  wf.setHandler(wf.defineUpdate('checked'), (value) => value, { validator });
  wf.setHandler(wf.defineQuery('count'), () => values.length);
  await wf.condition(() => done);
  const scope = new wf.CancellationScope();
  const long = scope.run(() => wf.sleep('100s'));
  await wf.sleep('100ms');
  scope.cancel();
  await ignore(long);
  // Within its time, and after it.
  await wf.condition(() => done, '10s');
  await wf.condition(() => false, '100ms');
  await greet('end');
  return values.length;
};

exports.Patched = async function () {
  if (wf.patched('one')) {
    await greet('new');
  }
  await wf.sleep('100ms');
  wf.deprecatePatch('two');
  wf.patched('one');
  if (wf.patched('three')) {
    await wf.sleep('100ms');
  }
  return 'patched';
};

exports.LocalActivities = async function () {
  await here.greet('a');
  const late = here.slow(500);
  const quick = here.slow(100);
  await quick;
  await late;
  await ignore(here.fail('x'));
  await greet('b');
  // Longer than a workflow task: heartbeats.
  await here.slow(3000);
  // Back-off longer than the threshold: a timer.
  await hereFlaky.flaky(wf.workflowInfo().runId);
  // Cancelled while it runs.
  await cancelled(() => hereTrying.hang('h'), '200ms');
  return 'local';
};

exports.Kid = async function (how) {
  let going = true;
  wf.setHandler(wf.defineSignal('stop'), () => { going = false; });
  if (how === 'fail') {
    throw wf.ApplicationFailure.nonRetryable('child failed');
  }
  if (how === 'wait') {
    await wf.condition(() => !going);
  }
  return how;
};

exports.Parent = async function (prefix) {
  const child = (how, name) => wf.startChild('Kid', { args: [how], workflowId: `${prefix}-${name}` });
  await (await child('ok', 'ok')).result();
  await ignore((await child('fail', 'fail')).result());
  const waits = await child('wait', 'wait');
  await waits.signal('stop');
  await waits.result();
  const scope = new wf.CancellationScope();
  const cancelled = await scope.run(() => child('wait', 'cancel'));
  scope.cancel();
  await ignore(cancelled.result());
  const external = wf.getExternalWorkflowHandle(`${prefix}-external`);
  await external.signal('add', 'from the parent');
  await external.cancel();
  await ignore(wf.getExternalWorkflowHandle(`${prefix}-nobody`).signal('add', 'x'));
  return 'parent';
};

exports.Properties = async function (again) {
  wf.upsertMemo({ state: 'running' });
  wf.upsertSearchAttributes({ Colour: ['blue'] });
  await wf.sleep('100ms');
  wf.upsertMemo({ state: null });
  if (again) {
    await wf.continueAsNew(false);
  }
  return 'end';
};

exports.Cancelled = async function () {
  try {
    await wf.sleep('1000s');
  } finally {
    await wf.CancellationScope.nonCancellable(() => greet('tidy'));
  }
  return 'never';
};
