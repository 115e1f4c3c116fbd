//! Ports that nobody else can take.
//!
//! A port is never guessed or chosen by "bind, close, and hope". Servers bind port 0 and tell what they got; where a
//! server must come back on the same port, a [`Reservation`] keeps it meanwhile.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpSocket};

/// Holds a port of the loopback interface without listening on it: connections are refused, the kernel gives the port to
/// nobody else, and a server that sets `SO_REUSEPORT` (as Envoy and [`listen`] do) can bind it all the same.
#[derive(Debug)]
pub struct Reservation {
    // Bound, never listening.
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Reservation {
    /// Reserves a free port. Its address serves also as "an upstream that refuses connections".
    pub fn any() -> Result<Self> {
        Self::of(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// Reserves the port of `address`, on which a server with `SO_REUSEPORT` may be listening now.
    pub fn of(address: SocketAddr) -> Result<Self> {
        let socket = bind(address)?;
        let address = socket.local_addr()?;
        Ok(Self { _socket: socket, address })
    }

    /// The reserved address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Listens on `address` (port 0 for any) in a way that a [`Reservation`] of the same port does not prevent.
pub fn listen(address: SocketAddr) -> Result<TcpListener> {
    Ok(bind(address)?.listen(1024)?)
}

fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseport(true)?;
    // Connections of a former server may linger in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot bind {address}"))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_reserved_port_refuses_until_somebody_listens() -> Result<()> {
        let reserved = Reservation::any()?;
        let refused = TcpStream::connect(reserved.address()).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

        let listener = listen(reserved.address())?;
        let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(reserved.address()));
        accepted?;
        connected?;
        Ok(())
    }
}
