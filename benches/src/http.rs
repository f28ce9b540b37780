//! As much of an HTTP client as the benches need: one request a connection, read to the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context;

pub(crate) fn get(address: SocketAddr, path: &str, token: &str) -> anyhow::Result<(u16, String)> {
    request(address, "GET", path, token, "")
}

pub(crate) fn post(address: SocketAddr, path: &str, token: &str, json: &str) -> anyhow::Result<(u16, String)> {
    request(address, "POST", path, token, json)
}

fn request(address: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let mut socket = TcpStream::connect(address)?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes())?;
    socket.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an HTTP status")?;
    Ok((status, body.to_owned()))
}
