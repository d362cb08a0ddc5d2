//! Nobody makes this service speak to what only it can reach.
//!
//! A receiver's name is resolved here, every address of the answer is checked, and the connection goes to one that was checked: a
//! name that means something else a moment later gains nothing. Redirects are not followed, so there is no second name.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::time::timeout;
use tower_service::Service;

/// The longest address of a receiver.
pub const URL_BYTES_MAX: usize = 2_048;

/// How long finding the addresses of a new receiver's host may take.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// Finds the addresses of a host.
pub type Resolve = Arc<dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync>;

/// Why an address is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Not what a receiver can have.
    #[error("expected an https:// or http:// URL of at most 2048 bytes, without credentials and fragment")]
    Form,
    /// It leads into a network that is not public.
    #[error("leads to an address that is not public; the service was not started with --allow-private-endpoints")]
    Private,
}

/// Says where receivers may be.
#[derive(Clone)]
pub struct Guard {
    resolve: Resolve,
    allow_private: bool,
}

/// As the system resolves names.
pub fn system() -> Resolve {
    Arc::new(|host| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    })
}

impl Guard {
    /// With a way to resolve names.
    pub fn new(resolve: Resolve, allow_private: bool) -> Self {
        Self { resolve, allow_private }
    }

    /// Reads a receiver's address.
    ///
    /// # Errors
    /// [`Refused::Form`], or [`Refused::Private`] where the URL itself holds an address.
    pub fn read(&self, url: &str) -> Result<Uri, Refused> {
        let uri: Uri = url.parse().map_err(|_| Refused::Form)?;
        let (Some("http" | "https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Refused::Form);
        };
        if url.len() > URL_BYTES_MAX
            || authority.as_str().contains('@')
            || url.contains('#')
            || authority.host().is_empty()
        {
            return Err(Refused::Form);
        }
        // A literal address is connected to without being resolved.
        match literal(authority.host()) {
            Some(address) if !self.allows(address) => Err(Refused::Private),
            Some(_) | None => Ok(uri),
        }
    }

    /// Reads a receiver's address and resolves its name. One that does not resolve, or not in time, may do so later, and is checked
    /// then.
    ///
    /// # Errors
    /// As [`Guard::read`], and [`Refused::Private`] where the name leads there.
    pub async fn look_at(&self, url: &str) -> Result<(), Refused> {
        let uri = self.read(url)?;
        let host = uri.host().unwrap_or_default().to_owned();
        if self.allow_private || literal(&host).is_some() {
            return Ok(());
        }
        let addresses = timeout(LOOK_UP_WITHIN, (self.resolve)(host)).await;
        let addresses = addresses.ok().and_then(Result::ok).unwrap_or_default();
        if addresses.into_iter().all(|address| self.allows(address)) { Ok(()) } else { Err(Refused::Private) }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }
}

impl Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = (guard.resolve)(name.as_str().to_owned()).await?;
            if !addresses.iter().all(|address| guard.allows(*address)) {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, Refused::Private));
            }
            let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(addresses.into_iter())
        })
    }
}

/// Whether what is sent to a URL could be read on its way: without encryption, and beyond this machine.
pub fn leaves_in_the_clear(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    uri.is_none_or(|uri| uri.scheme_str() != Some("https") && !is_loopback(uri.host().unwrap_or_default()))
}

/// Whether a host is an address of this machine; a name may be one now and another's later.
pub(crate) fn is_loopback(host: &str) -> bool {
    literal(host).is_some_and(|address| address.is_loopback())
}

fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is one of the public Internet, by the registries of special addresses (RFC 6890 and its successors).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // Global unicast, without what carries an IPv4 address inside (Teredo, 6to4) and what is for documents.
    (0x2000..=0x3fff).contains(&a)
        && !matches!((a, b), (0x2001, 0x0000..=0x01ff | 0x0db8) | (0x2002, _) | (0x3fff, 0x0000..=0x0fff))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(answer: &'static [&'static str], allow_private: bool) -> Guard {
        let resolve: Resolve = Arc::new(move |_| {
            Box::pin(async move { Ok(answer.iter().map(|address| address.parse().unwrap()).collect()) })
        });
        Guard::new(resolve, allow_private)
    }

    #[test]
    fn addresses_of_networks_that_are_not_public_are_told_from_others() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "fd00:ec2::254",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_receiver_has_a_url_of_a_public_host() {
        let public = guard(&["1.1.1.1", "2606:4700::1111"], false);
        assert_eq!(public.look_at("https://shop.example.com/hooks?x=1").await, Ok(()));
        for url in
            ["ftp://a.example/", "https://", "https://user:word@a.example/", "/hooks", "https://a.example/#part", ""]
        {
            assert_eq!(public.look_at(url).await, Err(Refused::Form), "{url}");
        }
        for url in [
            "http://127.0.0.1/",
            "https://[::1]:8443/x",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert_eq!(public.look_at(url).await, Err(Refused::Private), "{url}");
        }
        // The system reads more as an address than we do; what it makes of that is checked as what a name leads to.
        let by_system = Guard::new(system(), false);
        for url in ["http://2130706433/", "http://0x7f000001/", "http://127.1/"] {
            assert_eq!(by_system.look_at(url).await, Err(Refused::Private), "{url}");
        }
        let mixed = guard(&["1.1.1.1", "10.0.0.1"], false);
        assert_eq!(mixed.look_at("https://a.example/").await, Err(Refused::Private), "one of its addresses is enough");
        assert_eq!(guard(&["10.0.0.1"], true).look_at("http://a.example/").await, Ok(()));
    }

    #[tokio::test]
    async fn a_name_that_nobody_answers_for_holds_nobody_up_and_is_checked_later() {
        let silent: Resolve = Arc::new(|_| Box::pin(std::future::pending()));
        assert_eq!(Guard::new(silent, false).look_at("https://shop.example.com/").await, Ok(()));
    }
}
