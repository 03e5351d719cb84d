//! Attach a program of your own to a broker: `cargo run -p framebroker-client --example attach [STREAM]`

use framebroker_client::{Broker, Result};

fn main() -> Result<()> {
    let stream = std::env::args().nth(1).unwrap_or_else(|| "cam0".to_owned());
    let broker = Broker::connect()?;
    let mut subscription = broker.subscribe(&stream).open()?;
    for frame in subscription.frames() {
        let frame = frame?;
        let sum: u64 = frame.data().iter().map(|byte| u64::from(*byte)).sum();
        let mean = sum / (frame.data().len() as u64).max(1);
        println!("context {} in buffer {}: mean brightness {mean}", frame.context(), frame.buffer_context());
    }
    Ok(())
}
