"""Workflows of the Python SDK for the tests of the Rust client: `worker.py ADDRESS TASK_QUEUE`.

Says "ready" when it polls, and ends when standard input does.
"""

import asyncio
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Optional

from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker


@dataclass
class Order:
    id: int
    lines: list[str] = field(default_factory=list)
    note: Optional[str] = None


@activity.defn
async def decline(amount: int) -> None:
    raise ApplicationError("card declined", {"amount": amount}, type="Declined", non_retryable=True)


@activity.defn
async def approval() -> bool:
    activity.raise_complete_async()


@workflow.defn
class SayHello:
    @workflow.run
    async def run(self, name: str) -> str:
        return f"Hello, {name}!"


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, order: Order, count: int, data: bytes, nothing: Optional[str] = None) -> Order:
        order.lines.append(f"{count} {data.decode()} {nothing}")
        return order


@workflow.defn
class EchoProto:
    @workflow.run
    async def run(self, message: WorkflowExecution) -> WorkflowExecution:
        message.run_id += "!"
        return message


@workflow.defn
class Nothing:
    @workflow.run
    async def run(self) -> None:
        pass


@workflow.defn
class Fails:
    @workflow.run
    async def run(self, how: str) -> str:
        if how == "activity":
            await workflow.execute_activity(decline, 5, start_to_close_timeout=timedelta(seconds=10))
        raise ApplicationError("broken", 1, "two", type="Broken")


@workflow.defn
class Counts:
    """Continues as new until it gets to zero; fails once on the way and is retried."""

    @workflow.run
    async def run(self, left: int) -> str:
        if left == 1 and workflow.info().attempt == 1:
            raise ApplicationError("once more")
        if left > 0:
            workflow.continue_as_new(left - 1)
        return "done"


@workflow.defn
class Greeting:
    def __init__(self) -> None:
        self.greeting = "Hello"
        self.complete = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.complete)
        return self.greeting

    @workflow.signal
    def set_greeting(self, greeting: str) -> None:
        self.greeting = greeting

    @workflow.signal
    def finish(self) -> None:
        self.complete = True

    @workflow.query
    def current(self) -> str:
        return self.greeting

    @workflow.query
    def fails(self) -> str:
        raise ApplicationError("no answer", type="Shy")

    @workflow.update
    async def replace(self, greeting: str) -> str:
        before, self.greeting = self.greeting, greeting
        return before

    @replace.validator
    def check(self, greeting: str) -> None:
        if not greeting:
            raise ApplicationError("the greeting is empty", type="Empty")

    @workflow.update
    async def slow(self) -> str:
        await workflow.wait_condition(lambda: self.greeting == "go")
        return "went"


@workflow.defn
class Approval:
    @workflow.run
    async def run(self) -> bool:
        return await workflow.execute_activity(
            approval,
            activity_id="approval",
            start_to_close_timeout=timedelta(seconds=60),
            heartbeat_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


async def main() -> None:
    client = await Client.connect(sys.argv[1])
    worker = Worker(
        client,
        task_queue=sys.argv[2],
        workflows=[SayHello, Echo, EchoProto, Nothing, Fails, Counts, Greeting, Approval],
        activities=[decline, approval],
    )
    async with worker:
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
