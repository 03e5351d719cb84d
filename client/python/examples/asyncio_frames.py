"""Reads frames beside other work in asyncio: ``python asyncio_frames.py [FRAMES]``."""

import asyncio
import sys

import framebroker


async def read(subscription: framebroker.Subscription, count: int) -> None:
    async for frame in subscription:
        with frame:
            print(f"frame {frame.sequence}: {frame.array.mean():.1f}")
        count -= 1
        if not count:
            break


async def tick() -> None:
    while True:
        print("tick")
        await asyncio.sleep(0.1)


async def main(count: int) -> None:
    with framebroker.Broker() as broker, broker.subscribe("cam0") as subscription:
        ticking = asyncio.create_task(tick())
        await read(subscription, count)
        ticking.cancel()


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10))
