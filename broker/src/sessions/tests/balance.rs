//! Goal: in whatever order clients speak, read, map, hang up and die, what was granted to them, what they may have in flight and
//! what the broker has open for them stays balanced, and nothing is left when they have gone. Method: random steps of several
//! clients, some of whom produce, over the shipped sessions; after each step the sums are made anew.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::books::{check, check_at_end, open_descriptors, wait};
use super::*;

/// One thing that happens; the first number chooses among the clients that are there.
#[derive(Debug, Clone)]
enum Step {
    Connect(u32),
    Subscribe(usize, AskedPolicy, Delivery, u32),
    Unsubscribe(usize, u32),
    Mapped(usize),
    Produce(usize, u32),
    Control(usize, bool),
    Ping(usize),
    Read(usize),
    HangUp(usize),
    Die(usize),
    Work,
    Outage,
    Return,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..8usize;
    let policy = prop_oneof![Just(AskedPolicy::Latest), Just(AskedPolicy::Lossless), Just(AskedPolicy::OfStream)];
    let delivery = prop_oneof![Just(Delivery::Shared), Just(Delivery::Socket)];
    let subscribe = (who(), policy, delivery, 0..6u32);
    prop_oneof![
        3 => (1..8u32).prop_map(Step::Connect),
        4 => subscribe.prop_map(|(who, policy, delivery, held)| Step::Subscribe(who, policy, delivery, held)),
        1 => (who(), 1..6u32).prop_map(|(who, which)| Step::Unsubscribe(who, which)),
        4 => who().prop_map(Step::Mapped),
        2 => (who(), 1..6u32).prop_map(|(who, queued)| Step::Produce(who, queued)),
        1 => (who(), any::<bool>()).prop_map(|(who, sole)| Step::Control(who, sole)),
        2 => who().prop_map(Step::Ping),
        3 => who().prop_map(Step::Read),
        1 => who().prop_map(Step::HangUp),
        1 => who().prop_map(Step::Die),
        3 => Just(Step::Work),
        1 => Just(Step::Outage),
        1 => Just(Step::Return),
        1 => Just(Step::Wait),
    ]
}

/// The clients' ends.
#[derive(Default)]
struct Clients(Vec<TestClient>);

impl Clients {
    fn get(&mut self, who: usize) -> Option<&mut TestClient> {
        let at = who.checked_rem(self.0.len())?;
        self.0.get_mut(at)
    }

    fn take(&mut self, who: usize) -> Option<TestClient> {
        let at = who.checked_rem(self.0.len())?;
        Some(self.0.swap_remove(at))
    }
}

fn take_step(world: &mut World, clients: &mut Clients, step: &Step) {
    let ask = match *step {
        Step::Connect(roles) => {
            let roles =
                [Roles::CONSUMER, Roles::PRODUCER, Roles::CONTROL].into_iter().filter(|role| roles & role.bits() != 0);
            let client = world.connect();
            world.ask(&client, 1, hello(roles.reduce(Roles::with).unwrap()));
            return clients.0.push(client);
        }
        Step::Work => return world.let_others_work(),
        Step::Outage => return world.go_offline("cable"),
        Step::Return if world.stream().takes_producers() => return,
        Step::Return => return world.come_online(),
        Step::Wait => return wait(world),
        Step::Read(who) => return clients.get(who).into_iter().for_each(TestClient::read_all),
        Step::HangUp(who) => {
            let Some(TestClient { id, .. }) = clients.take(who) else { return };
            world.broker.serve(id);
            return world.broker.settle();
        }
        Step::Die(who) => {
            let Some(TestClient { id, .. }) = clients.take(who) else { return };
            world.broker.end_session(id, true);
            return world.broker.settle();
        }
        Step::Subscribe(who, policy, delivery, held) => (who, subscribe(policy, delivery, held)),
        Step::Unsubscribe(who, which) => (who, Ask::Unsubscribe { subscription: SubscriptionId(which) }),
        Step::Mapped(who) => (who, Ask::Mapped),
        Step::Produce(who, queued) => (who, produce(queued)),
        Step::Control(who, sole) => (who, Ask::Control { stream: NAME.parse().unwrap(), sole }),
        Step::Ping(who) => (who, Ask::Ping),
    };
    if let Some(client) = clients.get(ask.0) {
        world.ask(client, 9, ask.1);
    }
}

/// Set in the process that runs the test below.
const ALONE: &str = "FRAMEBROKER_TEST_ALONE";

/// In a process of its own: other tests of this one open and close descriptors too.
#[test]
fn everything_is_balanced_in_any_order() {
    if std::env::var_os(ALONE).is_none() {
        let name = "sessions::tests::balance::everything_is_balanced_in_any_order";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = command.args([name, "--exact"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let life = (any::<bool>(), 8..64u64, proptest::collection::vec(step(), 1..80));
    let config = Config { cases: 96, failure_persistence: None, max_shrink_time: 20_000, ..Config::default() };
    let ended = TestRunner::new(config).run(&life, |(takes_producers, open_files, steps)| {
        let mut world = World::new(takes_producers, open_files);
        let (mut clients, before) = (Clients::default(), open_descriptors());
        let budget = usize::try_from(open_files / 2).unwrap();
        for step in &steps {
            take_step(&mut world, &mut clients, step);
            check(&mut world, budget);
        }
        while let Some(TestClient { id, .. }) = clients.take(0) {
            world.broker.end_session(id, true);
            world.broker.settle();
            check(&mut world, budget);
        }
        check_at_end(&mut world, takes_producers, before);
        Ok(())
    });
    ended.unwrap();
}
