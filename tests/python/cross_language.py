"""The Python side of the cross-language tests: a worker, a client and a replayer built on the official `temporalio`.

    cross_language.py worker ADDRESS NAMESPACE TASK_QUEUE     serve until standard input closes; prints "ready"
    cross_language.py client ADDRESS NAMESPACE TASK_QUEUE ID  start, steer and await `CrossGreeting`; prints JSON
    cross_language.py call ADDRESS NAMESPACE TASK_QUEUE ID ACTIVITY_QUEUE   a Python workflow that calls a Rust activity
    cross_language.py replay FILE                             replay a history with the Python twin of `CrossGreeting`
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from datetime import timedelta

import nexusrpc
import nexusrpc.handler
from temporalio import activity, nexus, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker


@dataclass
class Greeting:
    salutation: str
    name: str


@activity.defn(name="compose_greeting")
async def compose_greeting(greeting: Greeting) -> str:
    return f"{greeting.salutation}, {greeting.name}!"


@activity.defn(name="python_upper")
async def python_upper(text: str) -> str:
    return text.upper()


@workflow.defn(name="CrossGreeting")
class CrossGreeting:
    """The twin of the Rust workflow of this name: it issues the same commands in the same order."""

    def __init__(self) -> None:
        self.salutation = "Hello"
        self.finished = False
        self.greetings: list[str] = []

    @workflow.run
    async def run(self, name: str) -> list[str]:
        await workflow.sleep(timedelta(milliseconds=10))
        self.greetings.append(await self.compose(name))
        await workflow.wait_condition(lambda: self.finished)
        return self.greetings

    async def compose(self, name: str) -> str:
        return await workflow.execute_activity(
            compose_greeting,
            Greeting(self.salutation, name),
            start_to_close_timeout=timedelta(seconds=10),
        )

    @workflow.signal
    def salute(self, salutation: str) -> None:
        self.salutation = salutation

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def salutation_now(self) -> str:
        return self.salutation

    @workflow.update
    async def greet(self, name: str) -> str:
        greeting = await self.compose(name)
        self.greetings.append(greeting)
        return greeting

    @greet.validator
    def check_greet(self, name: str) -> None:
        if not name:
            raise ValueError("a greeting needs a name")


@workflow.defn(name="PythonCallsRust")
class PythonCallsRust:
    @workflow.run
    async def run(self, queue: str, text: str) -> str:
        return await workflow.execute_activity(
            "rust_reverse",
            text,
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=10),
            result_type=str,
        )


@workflow.defn(name="PythonReverses")
class PythonReverses:
    """What the operation `reverse` starts; it waits for ever when there is nothing to reverse."""

    @workflow.run
    async def run(self, text: str) -> str:
        await workflow.wait_condition(lambda: text != "")
        return text[::-1]


@nexusrpc.service(name="python-words")
class PythonWords:
    upper: nexusrpc.Operation[str, str]
    refuse: nexusrpc.Operation[str, str]
    reverse: nexusrpc.Operation[str, str]


@nexusrpc.handler.service_handler(service=PythonWords)
class PythonWordsHandler:
    @nexusrpc.handler.sync_operation
    async def upper(self, context: nexusrpc.handler.StartOperationContext, text: str) -> str:
        return text.upper()

    @nexusrpc.handler.sync_operation
    async def refuse(self, context: nexusrpc.handler.StartOperationContext, text: str) -> str:
        raise nexusrpc.OperationError(f"no {text}", state=nexusrpc.OperationErrorState.FAILED)

    @nexus.workflow_run_operation
    async def reverse(self, context: nexus.WorkflowRunOperationContext, text: str) -> nexus.WorkflowHandle[str]:
        workflow_id = f"reverse-{context.request_id}"
        return await context.start_workflow(PythonReverses.run, text, id=workflow_id)


async def connect(address: str, namespace: str) -> Client:
    return await Client.connect(address, namespace=namespace)


async def serve(address: str, namespace: str, task_queue: str) -> None:
    client = await connect(address, namespace)
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=[CrossGreeting, PythonCallsRust, PythonReverses],
        activities=[compose_greeting, python_upper],
        nexus_service_handlers=[PythonWordsHandler()],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def steer(address: str, namespace: str, task_queue: str, workflow_id: str) -> None:
    client = await connect(address, namespace)
    handle = await client.start_workflow(CrossGreeting.run, "Rust", id=workflow_id, task_queue=task_queue)
    # With the run's own activity behind it: what ends in the same task as the update's, each SDK goes on with in its own order.
    tasks = 0
    async for event in handle.fetch_history_events(wait_new_event=True):
        tasks += event.HasField("workflow_task_completed_event_attributes")
        if tasks == 3:
            break
    first = await handle.execute_update(CrossGreeting.greet, "Update")
    await handle.signal(CrossGreeting.salute, "Aloha")
    now = await handle.query(CrossGreeting.salutation_now)
    rejected = ""
    try:
        await handle.execute_update(CrossGreeting.greet, "")
    except Exception as error:
        rejected = f"{type(error).__name__}: {error.__cause__}"
    await handle.signal(CrossGreeting.finish)
    result = await handle.result()
    print(json.dumps({"update": first, "query": now, "rejected": rejected, "result": result}))


async def call(address: str, namespace: str, task_queue: str, workflow_id: str, activity_queue: str) -> None:
    client = await connect(address, namespace)
    result = await client.execute_workflow(
        PythonCallsRust.run, args=[activity_queue, "stressed"], id=workflow_id, task_queue=task_queue
    )
    print(json.dumps({"result": result}))


async def replay(file: str) -> None:
    with open(file, encoding="utf-8") as text:
        history = WorkflowHistory.from_json("replayed", text.read())
    replayer = Replayer(workflows=[CrossGreeting], workflow_runner=UnsandboxedWorkflowRunner())
    await replayer.replay_workflow(history)
    print(json.dumps({"replayed": len(history.events)}))


MODES = {"worker": serve, "client": steer, "call": call, "replay": replay}

if __name__ == "__main__":
    asyncio.run(MODES[sys.argv[1]](*sys.argv[2:]))
    sys.stdout.flush()
    # Without tearing the interpreter down: at that, temporalio's native threads crash now and then.
    os._exit(0)
