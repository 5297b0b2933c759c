//! How a service manager learns that the daemon is ready, and that it stops (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The way to the service manager, or nothing where there is none.
#[derive(Debug)]
pub(crate) struct Notify(Option<SocketAddr>);

impl Notify {
    /// By the environment: NOTIFY_SOCKET is a path, or `@` and an abstract name.
    pub(crate) fn from_environment() -> Self {
        let named = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        Notify(named.and_then(|name| {
            let address = address(&name);
            if let Err(error) = &address {
                tracing::warn!("NOTIFY_SOCKET {name:?} is not an address: {error}");
            }
            address.ok()
        }))
    }

    /// Served from now on.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// Not served any more, and about to end.
    pub(crate) fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}\n"));
    }

    fn send(&self, state: &str) {
        let Some(address) = &self.0 else { return };
        let sent = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not read must not hold the daemon.
            socket.set_nonblocking(true)?;
            socket.send_to_addr(state.as_bytes(), address)
        });
        if let Err(error) = sent {
            tracing::warn!("cannot tell the service manager: {error}");
        }
    }
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(abstract_name) => SocketAddr::from_abstract_name(abstract_name),
        None => SocketAddr::from_pathname(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(name: &OsStr) -> String {
        let listener = UnixDatagram::bind_addr(&address(name).unwrap()).unwrap();
        Notify(Some(address(name).unwrap())).ready("serving");
        let mut bytes = [0; 256];
        let length = listener.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_manager_on_an_abstract_socket_hears_that_we_are_ready() {
        let name = format!("@ferrited-notify-{}", std::process::id());
        assert_eq!(received(OsStr::new(&name)), "READY=1\nSTATUS=serving\n");
    }

    #[test]
    fn a_manager_on_a_path_hears_it_too() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(received(folder.path().join("notify").as_os_str()), "READY=1\nSTATUS=serving\n");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        Notify(None).ready("serving");
        Notify(Some(address(OsStr::new("/nonexistent/notify")).unwrap())).stopping("stopping");
    }
}
