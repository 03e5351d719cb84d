//! Fills the segments of a stream with a moving image: `broker --source producer`, then this, then `framectl watch cam0`.

use std::time::Duration;

use framebroker_client::{Broker, FrameInfo, PixelFormat, Result};

fn main() -> Result<()> {
    let (width, height, interval) = (640, 480, Duration::from_millis(40));
    let broker = Broker::connect()?;
    let builder = broker.produce("cam0").geometry(width, height, PixelFormat::MONO8).interval(interval);
    let mut producer = builder.model("example").open()?;
    println!("frames begin with number {}", producer.first_sequence());
    for frame in (0..=255u8).cycle() {
        let mut blank = producer.take(None)?;
        for (row, shade) in blank.bytes_mut().chunks_mut(640).zip((0..=255u8).cycle()) {
            row.fill(shade.wrapping_add(frame));
        }
        blank.publish(&FrameInfo::new(width, height, PixelFormat::MONO8))?;
        std::thread::sleep(interval);
    }
    Ok(())
}
