"""What the `temporal` command line does with a server, checked by what it prints.

    temporal_cli.py ADDRESS [TEMPORAL]     TEMPORAL is the command line's path; `temporal` by default
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import uuid

from server_scenarios import ACTIVITIES, WORKFLOWS
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


class Cli:
    def __init__(self, program: str, address: str) -> None:
        self.start = [program, "--address", address, "--disable-config-file", "--disable-config-env"]

    async def run(self, *arguments: str, fails: bool = False) -> str:
        """What the command prints; on stderr when it is to fail."""
        process = await asyncio.create_subprocess_exec(
            *self.start, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, error = await asyncio.wait_for(process.communicate(), 30)
        words = f"temporal {' '.join(arguments)}\n{out.decode()}{error.decode()}"
        assert (process.returncode != 0) == fails, words
        return (error if fails else out).decode()

    async def json(self, *arguments: str):
        out = await self.run(*arguments, "--output", "json")
        return json.loads(out)


async def check(cli: Cli, queue: str) -> None:
    async def until(condition, what: str, seconds: int = 10):
        for _ in range(seconds * 20):
            if await condition():
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never: {what}")

    def identity() -> str:
        return f"cli-{uuid.uuid4()}"

    # start, describe, signal, query, update, result
    id = identity()
    start = ["--workflow-id", id, "--type", "Counter", "--task-queue", queue]
    started = await cli.json("workflow", "start", *start, "--memo", 'note="kept"')
    assert started["workflowId"] == id and started["runId"], started
    await cli.run("workflow", "signal", "--workflow-id", id, "--name", "add", "--input", "5")
    assert "5" in await cli.run("workflow", "query", "--workflow-id", id, "--type", "now")
    updated = await cli.run(
        "workflow", "update", "execute", "--workflow-id", id, "--name", "add_and_get", "--input", "4"
    )
    assert "9" in updated, updated
    refused = await cli.run(
        "workflow", "update", "execute", "--workflow-id", id, "--name", "add_and_get", "--input", "-4", fails=True
    )
    assert "negative" in refused, refused
    described = await cli.json("workflow", "describe", "--workflow-id", id)
    info = described["workflowExecutionInfo"]
    assert info["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING" and info["type"]["name"] == "Counter", described
    assert "Counter" in await cli.run("workflow", "describe", "--workflow-id", id)
    # The command line shows the run that has the id already.
    again = await cli.json("workflow", "start", *start, "--id-conflict-policy", "Fail")
    assert again["runId"] == started["runId"], again
    await cli.run("workflow", "signal", "--workflow-id", id, "--name", "finish")
    result = await cli.json("workflow", "result", "--workflow-id", id)
    assert result["status"] == "COMPLETED" and result["result"] == 9, result
    print("ok start signal query update describe result", flush=True)

    # show
    shown = await cli.json("workflow", "show", "--workflow-id", id)
    types = [event["eventType"] for event in shown["events"]]
    assert types[0] == "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED", types
    assert types[-1] == "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED", types
    assert [int(event["eventId"]) for event in shown["events"]] == list(range(1, len(types) + 1))
    table = await cli.run("workflow", "show", "--workflow-id", id)
    assert "WorkflowExecutionCompleted" in table, table
    print("ok show", flush=True)

    # list and count
    async def listed():
        runs = await cli.json("workflow", "list", "--query", f"WorkflowId = '{id}'")
        return [run["execution"]["workflowId"] for run in runs] == [id]

    await until(listed, "the run is listed")
    assert id in await cli.run("workflow", "list", "--limit", "1000")
    count = await cli.json("workflow", "count", "--query", f"WorkflowId = '{id}'")
    assert int(count["count"]) == 1, count
    groups = await cli.json("workflow", "count", "--query", f"WorkflowId = '{id}' GROUP BY ExecutionStatus")
    assert "Completed" in json.dumps(groups) or groups["groups"], groups
    refused = await cli.run("workflow", "list", "--query", "ORDER BY StartTime", fails=True)
    assert "operation is not supported: 'ORDER BY' clause" in refused, refused
    print("ok list count", flush=True)

    # execute
    done = await cli.json(
        "workflow", "execute", "--workflow-id", identity(), "--type", "Hello", "--task-queue", queue, "--input", '"CLI"'
    )
    assert done["result"] == "Hello, CLI!", done
    print("ok execute", flush=True)

    # cancel and terminate
    for command, status in [("cancel", "CANCELED"), ("terminate", "TERMINATED")]:
        id = identity()
        await cli.run("workflow", "start", "--workflow-id", id, "--type", "Counter", "--task-queue", queue)
        await cli.run("workflow", command, "--workflow-id", id)

        async def ended():
            described = await cli.json("workflow", "describe", "--workflow-id", id)
            return described["workflowExecutionInfo"]["status"] == f"WORKFLOW_EXECUTION_STATUS_{status}"

        await until(ended, f"the run is {status}")
    missing = await cli.run("workflow", "terminate", "--workflow-id", "nobody", fails=True)
    assert "not found" in missing, missing
    print("ok cancel terminate", flush=True)

    # the rest of what people ask a server
    assert "default" in await cli.run("operator", "namespace", "list")
    assert "SERVING" in await cli.run("operator", "cluster", "health")
    attributes = await cli.run("operator", "search-attribute", "list")
    assert "WorkflowType" in attributes, attributes
    name = f"Cli{uuid.uuid4().hex[:8]}"
    await cli.run("operator", "search-attribute", "create", "--name", name, "--type", "KeywordList")
    assert name in await cli.run("operator", "search-attribute", "list")
    await cli.run("operator", "search-attribute", "remove", "--name", name, "--yes")
    namespace = f"cli-{uuid.uuid4().hex[:8]}"
    await cli.run("operator", "namespace", "create", namespace)
    described = await cli.json("operator", "namespace", "describe", "--namespace", namespace)
    assert namespace in json.dumps(described), described
    pollers = await cli.json("task-queue", "describe", "--task-queue", queue, "--legacy-mode")
    assert "@" in json.dumps(pollers), pollers
    await cli.run("operator", "cluster", "system")
    await cli.run("operator", "cluster", "describe")
    print("ok operator", flush=True)

    # reset and delete
    id = identity()
    run = (await cli.json("workflow", "start", "--workflow-id", id, "--type", "Counter", "--task-queue", queue))["runId"]
    await cli.run("workflow", "signal", "--workflow-id", id, "--name", "finish")
    await cli.json("workflow", "result", "--workflow-id", id)
    reset = await cli.json(
        "workflow", "reset", "--workflow-id", id, "--run-id", run, "--event-id", "4", "--reason", "again"
    )
    assert reset["runId"] != run, reset
    assert (await cli.json("workflow", "result", "--workflow-id", id))["status"] == "COMPLETED"
    await cli.run("workflow", "delete", "--workflow-id", id, "--yes")

    async def gone():
        process = await asyncio.create_subprocess_exec(
            *cli.start, "workflow", "describe", "--workflow-id", id, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        out, error = await process.communicate()
        return process.returncode != 0 and b"not found" in out + error or reset["runId"].encode() not in out

    # The real server takes half a minute for it.
    await until(gone, "the run is deleted", 90)
    print("ok reset delete", flush=True)


async def main(address: str, program: str) -> None:
    client = await Client.connect(address)
    queue = f"cli-{uuid.uuid4()}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        await check(Cli(program, address), queue)


if __name__ == "__main__":
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "temporal"))
    # Threads of the SDK may still call into the interpreter, and crash it while it shuts down.
    sys.stdout.flush()
    os._exit(0)
