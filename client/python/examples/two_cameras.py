"""Two cameras in step, with the same settings: ``python two_cameras.py [LEFT RIGHT [FEATURE=VALUE] [SETS]]``, as
``python two_cameras.py left right ExposureTime=5000``.

Frames are matched by the time they arrived. What a triggered pair has is the same block ID: ``by="block-id"``.
"""

import sys

import framebroker

words = sys.argv[1:]
left, right = words[:2] if len(words) >= 2 else ("left", "right")
name, _, value = (words[2] if len(words) > 2 else "").partition("=")
count = int(words[3]) if len(words) > 3 else 10

with framebroker.Broker(control=True) as broker:
    versions = [0, 0]
    if name:
        for at, stream in enumerate((left, right)):
            with broker.take_control(stream):  # nobody else changes it meanwhile
                setting = broker.set_feature(stream, name, value)
            feature, versions[at] = setting.feature, setting.version
            print(f"{stream}: {feature.name} = {feature.value} {feature.unit}".rstrip())

    # As many as the streams may be apart, and one for the set in hand.
    subscriptions = [broker.subscribe(stream, max_held=4) for stream in (left, right)]
    with framebroker.SyncedSubscription(subscriptions, tolerance=0.01) as pairs:
        for pair in pairs:
            with pair:
                if not all(frame.is_exposed_with(version) for frame, version in zip(pair, versions, strict=True)):
                    continue  # exposed before the setting
                means = [f"{frame.array.mean():.1f}" for frame in pair]
                # What the cameras send with their images, if they have chunk mode, and it is on.
                exposed = [f", exposed for {us} us" for frame in pair if (us := frame.chunks.get("ChunkExposureTime"))]
                print(
                    f"frames {pair[0].sequence} and {pair[1].sequence}, {pair.skew_ns / 1e6:.2f} ms apart: "
                    f"means {' and '.join(means)}{''.join(exposed)}"
                )
            count -= 1
            if not count:
                break
        print(pairs.stats)
