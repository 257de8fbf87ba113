//! The connector: HTTP/1.1 on loopback, one thread a connection, whatever comes in.
//!
//! `POST /connector/api` and `GET /connector/status` as Yubico's connector has them, down to its statuses and
//! its five seconds for a request, after which an idle connection is closed too; and the simulator's own
//! `POST /simulator/fault`, `POST /simulator/mend` and `GET /simulator/operations`. Bodies need a
//! Content-Length. Nothing a client sends ends the server or holds another client up. Not here: what a frame
//! does (`device`).

mod request;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use request::read_request;

use crate::device::{Device, Operations, Reaction};
use crate::fault::Fault;
use crate::frame;

/// How long a request may take to arrive, and a connection stay idle.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// Bytes of a body for the simulator's own paths.
const MAX_LINE: usize = 256;

/// Connections at once; one more is closed unanswered.
const MAX_CONNECTIONS: usize = 128;

/// Whether the device can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Link {
    Dead,
    Stopped,
    Unplugged,
    Up,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    device: Mutex<Device>,
    link: Mutex<Link>,
    relinked: Condvar,
    connections: Mutex<BTreeMap<u64, TcpStream>>,
    port: u16,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Injects a fault.
    ///
    /// # Errors
    ///
    /// What the device says against it.
    pub(crate) fn inject(&self, fault: &Fault) -> Result<(), String> {
        match fault {
            Fault::Die => self.relink(Link::Dead),
            Fault::Unplug => self.relink(Link::Unplugged),
            _ => (),
        }
        lock(&self.device).inject(fault).map_err(|refusal| format!("refused: {refusal}"))
    }

    /// Ends every lasting fault; a device that was unplugged boots.
    pub(crate) fn mend(&self) -> Result<(), String> {
        let was_unplugged = *lock(&self.link) == Link::Unplugged;
        lock(&self.device).mend();
        let booted = if was_unplugged { self.inject(&Fault::PowerCycle) } else { Ok(()) };
        self.relink(Link::Up);
        booted
    }

    pub(crate) fn operations(&self) -> Operations {
        lock(&self.device).operations()
    }

    fn relink(&self, link: Link) {
        let mut now = lock(&self.link);
        if *now != Link::Stopped {
            *now = link;
        }
        self.relinked.notify_all();
    }

    /// Waits while the device is dead; returns whether the command may go on to it.
    fn reach(&self) -> Result<Link, Link> {
        let mut link = lock(&self.link);
        let was_dead = *link == Link::Dead;
        while *link == Link::Dead {
            link = self.relinked.wait(link).unwrap_or_else(PoisonError::into_inner);
        }
        if was_dead { Err(*link) } else { Ok(*link) }
    }

    fn status(&self) -> String {
        // A device that hangs is still on its bus.
        let device = if *lock(&self.link) == Link::Unplugged { "NO_DEVICE" } else { "OK" };
        let version = "3.0.6"; // of the connector that this one imitates
        let (pid, port) = (std::process::id(), self.port);
        format!("status={device}\nserial=*\nversion={version}\npid={pid}\naddress=127.0.0.1\nport={port}\n")
    }

    fn api(&self, body: &[u8]) -> Response {
        let Ok(link) = self.reach() else { return Response::Drop };
        if link != Link::Up {
            return Response::text(500, "no device");
        }
        let mut device = lock(&self.device);
        if body.len() < frame::HEADER || body.len() > device.firmware().max_frame() + 4 {
            return Response::text(400, "not a frame");
        }
        match device.transact(body) {
            Reaction::Answer(frame) => Response::Send(200, "application/octet-stream", frame),
            Reaction::Drop => Response::Drop,
        }
    }

    fn route(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let done = |result: Result<(), String>| match result {
            Ok(()) => Response::text(200, "done"),
            Err(error) => Response::text(400, &error),
        };
        match (method, path) {
            ("POST", "/connector/api") => self.api(body),
            ("GET", "/connector/status") => Response::text(200, &self.status()),
            ("GET", "/simulator/operations") => match serde_json::to_vec(&self.operations()) {
                Ok(json) => Response::Send(200, "application/json", json),
                Err(error) => Response::text(500, &error.to_string()),
            },
            ("POST", "/simulator/mend") => done(self.mend()),
            ("POST", "/simulator/fault") if body.len() <= MAX_LINE => {
                let line = std::str::from_utf8(body).map_err(|_| "not text".to_owned());
                done(line.and_then(str::parse).and_then(|fault| self.inject(&fault)))
            }
            (_, "/connector/api" | "/connector/status" | "/simulator/operations") => {
                Response::text(405, "method not allowed")
            }
            (_, "/simulator/mend" | "/simulator/fault") => Response::text(405, "POST a line"),
            _ => Response::text(404, "not found"),
        }
    }
}

/// How a request is met.
#[derive(Debug)]
enum Response {
    Drop,
    Send(u16, &'static str, Vec<u8>),
}

impl Response {
    fn text(status: u16, text: &str) -> Self {
        Self::Send(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds a port of the loopback interface, a free one for 0, and serves.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub(crate) fn start(device: Device, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let shared = Arc::new(Shared {
            device: Mutex::new(device),
            link: Mutex::new(Link::Up),
            relinked: Condvar::new(),
            connections: Mutex::new(BTreeMap::new()),
            port: listener.local_addr()?.port(),
        });
        let served = Arc::clone(&shared);
        let acceptor =
            thread::Builder::new().name("acceptor".into()).spawn(move || accept(&listener, &served))?;
        Ok(Self { shared, acceptor: Some(acceptor) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.shared.port
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Blocks until the server ends, which it does not by itself.
    pub(crate) fn wait(mut self) {
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }

    pub(crate) fn device(&self) -> MutexGuard<'_, Device> {
        lock(&self.shared.device)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.relink(Link::Stopped);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.shared.port)); // wakes the acceptor
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in lock(&self.shared.connections).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // A connection may be inside the device; it is the last that could still write the state file.
        drop(lock(&self.shared.device));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for (id, stream) in (0..).zip(listener.incoming()) {
        if *lock(&shared.link) == Link::Stopped {
            return;
        }
        let Ok(stream) = stream else {
            thread::sleep(Duration::from_millis(10)); // out of file descriptors, perhaps
            continue;
        };
        let Ok(copy) = stream.try_clone() else { continue };
        let mut connections = lock(&shared.connections);
        if connections.len() < MAX_CONNECTIONS {
            connections.insert(id, copy);
            drop(connections);
            let served = Arc::clone(shared);
            let spawned = thread::Builder::new().name("connection".into()).spawn(move || {
                let _ = serve(stream, &served);
                lock(&served.connections).remove(&id);
            });
            if spawned.is_err() {
                lock(&shared.connections).remove(&id);
            }
        }
    }
}

/// Answers one connection's requests until it closes, fails, or is to be dropped.
fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(REQUEST_TIME))?;
    let mut pending = Vec::new();
    loop {
        let request = match read_request(&mut stream, &mut pending)? {
            Ok(request) => request,
            Err((status, text)) => {
                send(&mut stream, &Response::text(status, text), false)?;
                return stream.shutdown(Shutdown::Both);
            }
        };
        let response = shared.route(&request.method, &request.path, &request.body);
        send(&mut stream, &response, request.keeps_alive)?;
        if matches!(response, Response::Drop) || !request.keeps_alive {
            return stream.shutdown(Shutdown::Both);
        }
    }
}

/// Writes a response in one piece, which some clients count on.
fn send(stream: &mut TcpStream, response: &Response, keeps_alive: bool) -> io::Result<()> {
    let Response::Send(status, kind, body) = response else { return Ok(()) };
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        _ => "Internal Server Error",
    };
    let connection = if keeps_alive { "keep-alive" } else { "close" };
    let length = body.len();
    let mut bytes = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: {connection}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes)
}
