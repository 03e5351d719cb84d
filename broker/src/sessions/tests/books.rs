//! What must add up, whoever says what.

use super::*;

/// What is due in an hour is done.
pub(super) fn wait(world: &mut World) {
    let later = Instant::now() + Duration::from_secs(3600);
    for alarm in world.broker.clock().take_due(later) {
        world.broker.ring(alarm, later);
        world.broker.settle();
    }
    world.broker.end_turn(Instant::now());
}

/// After each step: sums made anew.
pub(super) fn check(world: &mut World, budget: usize) {
    let (streams, sessions) = world.broker.parts();
    let stream = streams.get(ID).unwrap();
    let subscriptions = || sessions.iter().flat_map(|session| session.subscriptions.values());
    let granted: usize = subscriptions().map(|subscription| subscription.terms().max_held).sum();
    assert_eq!(stream.granted(), granted, "what ended gave its grants back");
    assert!(stream.needs().min_queued + 1 + granted <= stream.limits().max_segments, "the source keeps what it needs");
    let members = stream.core().roster.current().members.len();
    assert_eq!(members, subscriptions().filter(|s| s.membership().is_some()).count(), "who reads is in the ring");
    for session in sessions.iter().filter(|session| !session.client.counts()) {
        assert!(session.subscriptions.is_empty() || !session.client.has_failed(), "who failed reads nothing");
        assert!(session.production.is_none(), "who is about to end fills nothing");
    }
    let producers: Vec<ClientId> =
        sessions.iter().filter(|session| session.production.is_some()).map(|session| session.client.id()).collect();
    assert_eq!(producers, stream.producer().map(|producer| producer.client).into_iter().collect::<Vec<_>>());
    let controller = stream.controller().map(|controller| controller.client);
    assert!(controller.is_none_or(|id| sessions.get(id).is_some_and(|session| session.client.counts())));
    // One message alone may have more than the budget allows.
    let in_flight = sessions.in_flight();
    assert!(in_flight <= budget.max(4), "{in_flight} descriptors in flight, {budget} are allowed");
}

/// Descriptors of this process of the kinds that sessions have.
pub(super) fn open_descriptors() -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let is_ours = |link: &std::path::PathBuf| {
        let link = link.to_string_lossy();
        link.contains("pidfd") || link.contains("eventfd") || link.starts_with("socket:")
    };
    links.filter(is_ours).count()
}

/// After all clients have gone; `before` descriptors were open before the first came.
pub(super) fn check_at_end(world: &mut World, takes_producers: bool, before: usize) {
    world.let_others_work();
    world.grab.adopted.clear();
    wait(world);
    assert_eq!((world.stream().granted(), world.sessions().iter().count()), (0, 0));
    assert_eq!(open_descriptors(), before, "what was opened for clients is closed");
    let stats = world.stream().factory().stats();
    let (ordered, installed) = (world.stream().pool().ordered(), world.stream().pool().installed());
    let left = if takes_producers { 0 } else { installed };
    assert_eq!((ordered, stats.active_buffers()), (0, left as u64), "no segment of a producer that has gone is left");
}
