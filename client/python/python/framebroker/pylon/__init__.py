"""Basler cameras through pypylon, with no copy: pylon writes its images into a broker's segments.

``python -m framebroker.pylon --stream cam0`` grabs from a camera and publishes; ``--help`` lists its options. Programs
that grab themselves use :class:`SegmentFactory`:

>>> with framebroker.Broker() as broker, broker.produce("cam0", fixed_pool=True, ...) as producer:
...     factory = SegmentFactory(producer)
...     factory.attach(camera)
...     camera.StartGrabbing(pylon.GrabStrategy_OneByOne)
...     while camera.IsGrabbing():
...         factory.publish(camera.RetrieveResult(1000))
...         factory.refill()

Needs pypylon 26.9 or newer (``pip install "framebroker[pylon]"``), which brings pylon's runtime along.
"""

from ._factory import SegmentFactory
from ._pypylon import pylon

__all__ = ["SegmentFactory", "pylon"]
