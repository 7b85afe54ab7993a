//! Addresses allowed and denied.

use std::fmt;
use std::net::IpAddr;

/// Whether an address is in a list of ranges.
type Ranges = Box<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Who may use an app. What is denied is denied, whatever else allows it; where something is allowed,
/// nobody else is.
#[derive(Default)]
pub struct Access {
    allow: Option<Ranges>,
    deny: Option<Ranges>,
}

impl Access {
    /// Everybody.
    pub fn open() -> Self {
        Self::default()
    }

    /// Only those whom `allow` holds.
    #[must_use]
    pub fn allow(mut self, allow: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.allow = Some(Box::new(allow));
        self
    }

    /// Nobody whom `deny` holds.
    #[must_use]
    pub fn deny(mut self, deny: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.deny = Some(Box::new(deny));
        self
    }

    /// Whether the client at `address`, which is [`Client::address`], may pass.
    ///
    /// [`Client::address`]: crate::data::forwarded::Client::address
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        !self.deny.as_ref().is_some_and(|deny| deny(address))
            && self.allow.as_ref().is_none_or(|allow| allow(address))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (allow, deny) = (self.allow.is_some(), self.deny.is_some());
        f.debug_struct("Access").field("allow", &allow).field("deny", &deny).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(octet: u8) -> impl Fn(IpAddr) -> bool {
        move |ip| matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == octet)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn everybody_may_pass_unless_something_says_otherwise() {
        assert!(Access::open().permits(ip("192.0.2.1")));
        let denied = Access::open().deny(starts(192));
        assert!(!denied.permits(ip("192.0.2.1")) && denied.permits(ip("10.0.0.1")));
        let allowed = Access::open().allow(starts(10));
        assert!(!allowed.permits(ip("192.0.2.1")) && allowed.permits(ip("10.0.0.1")));
        assert!(!allowed.permits(ip("::1")));
    }

    #[test]
    fn what_is_denied_is_denied_although_it_is_allowed() {
        let access = Access::open().allow(|_| true).deny(starts(10));
        assert!(!access.permits(ip("10.0.0.1")) && access.permits(ip("::1")));
        assert!(!access.permits(ip("::ffff:10.0.0.1")), "an IPv4 address in the clothes of IPv6");
    }
}
