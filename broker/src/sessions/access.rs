//! Who may connect, and as what.

use framebroker_protocol::message::Roles;

use crate::config::{AllowedUser, BrokerOptions};

/// Who is at the other end of a session, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// The rules.
#[derive(Debug, Clone)]
pub struct Access {
    own_uid: u32,
    overflow_uid: u32,
    users: Vec<AllowedUser>,
    groups: Vec<u32>,
}

impl Access {
    pub fn of(config: &BrokerOptions) -> Self {
        Self {
            own_uid: nix::unistd::geteuid().as_raw(),
            overflow_uid: overflow_uid(),
            users: config.allow_uid.clone(),
            groups: config.allow_gid.clone(),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub fn of_own_user() -> Self {
        let own_uid = nix::unistd::geteuid().as_raw();
        Self { own_uid, overflow_uid: overflow_uid(), users: Vec::new(), groups: Vec::new() }
    }

    /// Whether the peer is the broker's own user, whom no rule and no share limits.
    pub fn is_own(&self, peer: Peer) -> bool {
        peer.uid == self.own_uid
    }

    /// Whether others than the broker's user may connect at all.
    pub fn is_shared(&self) -> bool {
        !self.users.is_empty() || !self.groups.is_empty()
    }

    /// What the peer, who is in these groups beside its first, may be; `None` if it may not even connect.
    pub fn roles(&self, peer: Peer, groups: &[u32]) -> Option<Roles> {
        if self.is_own(peer) {
            return Some(Roles::ALL);
        }
        // Every user that this user namespace has no number for looks like the overflow user.
        if peer.uid == self.overflow_uid {
            return None;
        }
        let by_user = self.users.iter().filter(|user| user.uid == peer.uid).map(|user| user.roles);
        let is_member = |group: &u32| peer.gid == *group || groups.contains(group);
        let by_group = self.groups.iter().any(is_member).then_some(Roles::CONSUMER);
        by_user.chain(by_group).reduce(Roles::with)
    }
}

fn overflow_uid() -> u32 {
    const KERNEL_DEFAULT: u32 = 65534;
    let text = std::fs::read_to_string("/proc/sys/kernel/overflowuid");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(KERNEL_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let users = vec!["7:control".parse().unwrap(), "65534".parse().unwrap()];
        Access { own_uid: 1000, overflow_uid: 65534, users, groups: vec![50, 61] }
    }

    fn peer(uid: u32, gid: u32) -> Peer {
        Peer { pid: 1, uid, gid }
    }

    #[test]
    fn only_named_users_and_groups_connect() {
        assert_eq!(access().roles(peer(1000, 1), &[1, 60]), Some(Roles::ALL));
        assert_eq!(access().roles(peer(7, 1), &[1, 60]), Some(Roles::CONSUMER.with(Roles::CONTROL)));
        assert_eq!(access().roles(peer(8, 50), &[1, 60]), Some(Roles::CONSUMER));
        assert_eq!(access().roles(peer(8, 51), &[1, 60]), None);
        let roles = access().roles(peer(8, 51), &[60, 61]);
        assert_eq!(roles, Some(Roles::CONSUMER), "video is rarely a user's first group");
        assert_eq!(access().roles(peer(0, 0), &[1, 60]), None, "root has no way in but the one of everyone");
    }

    #[test]
    fn the_overflow_user_never_connects() {
        assert_eq!(access().roles(peer(65534, 50), &[1, 60]), None);
    }
}
