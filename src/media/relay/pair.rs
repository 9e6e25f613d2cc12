//! An endpoint's two sockets.

use std::io;
use std::net::SocketAddr;

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

/// DSCP "expedited forwarding" (RFC 3246, 46) as the byte that IP carries.
const EXPEDITED: u32 = 46 << 2;

/// RTP on `local`, RTCP on the next port.
pub(super) fn bind_pair(local: SocketAddr) -> io::Result<[UdpSocket; 2]> {
    let next = local.port().checked_add(1).filter(|next| next % 2 == 1 && *next > 1);
    let next = next.ok_or(io::ErrorKind::InvalidInput)?;
    Ok([bind(local)?, bind(SocketAddr::new(local.ip(), next))?])
}

fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // A wish: a system that refuses it still relays.
    let _ = if local.is_ipv4() { socket.set_tos_v4(EXPEDITED) } else { socket.set_tclass_v6(EXPEDITED) };
    socket.bind(&local.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}
