//! Sessions over an input of libFuzzer: any bytes with any descriptors from several clients, between events of the other
//! threads. tests/fuzz drives it.

use std::os::fd::AsFd;

use framebroker_protocol::shm::SharedObject;

use super::books::{check, check_at_end, open_descriptors, wait};
use super::*;

/// The most steps that an input is good for.
const STEPS: usize = 100;

/// Does what the bytes say: of each step, the first byte says what, the second who.
pub(crate) fn sessions(input: &[u8]) {
    let (takes_producers, open_files) = match input {
        [kind, files, ..] => (kind & 1 == 1, u64::from(*files % 64) + 8),
        _ => return,
    };
    let mut input = input.get(2..).unwrap_or_default();
    let mut world = World::new(takes_producers, open_files);
    let before = open_descriptors();
    let mut clients: Vec<TestClient> = Vec::new();
    let budget = usize::try_from(open_files / 2).unwrap_or(0);
    for _ in 0..STEPS {
        let [what, who, rest @ ..] = input else { break };
        input = rest;
        let at = usize::from(*who).checked_rem(clients.len());
        match (what % 16, at) {
            (0, _) => clients.push(world.connect()),
            (1, _) => {
                // It is not welcome where there are too many.
                let client = world.connect();
                world.ask(&client, 1, hello(Roles::ALL));
                clients.push(client);
            }
            (2, _) => world.let_others_work(),
            (3, _) => wait(&mut world),
            (4, _) => world.go_offline("cable"),
            (5, _) if !takes_producers => world.come_online(),
            (6, Some(at)) => {
                let TestClient { id, .. } = clients.swap_remove(at);
                world.broker.serve(id);
                world.broker.settle();
            }
            (7, Some(at)) => {
                if let Some(client) = clients.get_mut(at) {
                    client.read_all();
                    client.read.clear();
                }
            }
            (_, Some(at)) => {
                let descriptors = usize::from(what >> 4) * 4;
                let len = input.first().map_or(0, |len| usize::from(*len));
                let rest = input.get(1..).unwrap_or_default();
                let (message, rest) = rest.split_at(len.min(rest.len()));
                input = rest;
                if let Some(client) = clients.get(at) {
                    say(&mut world, client, message, descriptors);
                }
            }
            _ => {}
        }
        check(&mut world, budget);
    }
    for TestClient { id, .. } in clients.drain(..) {
        world.broker.end_session(id, true);
        world.broker.settle();
        check(&mut world, budget);
    }
    check_at_end(&mut world, takes_producers, before);
}

/// A client sends these bytes with so many descriptors of a file.
fn say(world: &mut World, client: &TestClient, message: &[u8], descriptors: usize) {
    let file = SharedObject::create("file", 4096).unwrap();
    let descriptors = vec![file.as_fd(); descriptors];
    // A client that has gone says nothing, and one that failed is not heard.
    let _gone = client.channel.try_send(message, &descriptors);
    world.broker.serve(client.id);
    world.broker.settle();
}
