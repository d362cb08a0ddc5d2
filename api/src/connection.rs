//! Connections that can be cut from inside.
//!
//! What is written to somebody who never reads waits for ever, and with it whatever the connection holds: an answer cannot end it,
//! because its end would have to be written too.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Listens for connections that can be cut.
pub struct Cutting(pub TcpListener);

impl Listener for Cutting {
    type Io = Cuttable<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Cuttable::new(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The connection of a request, to be cut.
#[derive(Clone, Default)]
pub struct Connection(Arc<Cut>);

#[derive(Default)]
struct Cut {
    is_cut: AtomicBool,
    writer: AtomicWaker,
}

impl Connection {
    /// Fails what is being written, and whatever is to be written later; the connection ends with that.
    pub fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        self.0.writer.wake();
    }

    fn look(&self, context: &Context<'_>) -> io::Result<()> {
        // In this order: whoever cuts it in between wakes whoever waits.
        self.0.writer.register(context.waker());
        if self.0.is_cut.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, Cutting>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Cutting>) -> Self {
        stream.io().connection.clone()
    }
}

/// What is read from and written to.
pub struct Cuttable<Io> {
    io: Io,
    connection: Connection,
}

impl<Io> Cuttable<Io> {
    fn new(io: Io) -> Self {
        Self { io, connection: Connection::default() }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Cuttable<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Cuttable<Io> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.connection.look(context)?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.look(context)?;
        Pin::new(&mut self.io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn a_write_that_nobody_takes_fails_when_the_connection_is_cut() {
        let (ours, mut theirs) = duplex(4);
        let mut ours = Cuttable::new(ours);
        let connection = ours.connection.clone();
        ours.write_all(b"1234").await.unwrap();
        let waits = poll_fn(|context| Poll::Ready(Pin::new(&mut ours).poll_write(context, b"5678").is_pending())).await;
        assert!(waits, "there is no room");
        let writing = tokio::spawn(async move { ours.write_all(b"5678").await });
        connection.cut();
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        let mut taken = Vec::new();
        theirs.read_to_end(&mut taken).await.unwrap();
        assert_eq!(taken, b"1234");
    }
}
