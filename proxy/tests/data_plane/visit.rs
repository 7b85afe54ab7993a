//! A visitor, who has cookies.

use crate::client::Answer;
use crate::proxy::Proxy;

/// Sends a GET with this `Cookie` on a connection of its own.
pub(crate) async fn visit(proxy: &Proxy, cookie: &str) -> Answer {
    let mut client = proxy.client().await;
    client.write(format!("GET / HTTP/1.1\r\nHost: web\r\nCookie: {cookie}\r\n\r\n")).await;
    client.raw_answer().await
}

/// The cookie that `answer` sets, as a visitor sends it back.
pub(crate) fn set(answer: &Answer) -> Option<String> {
    let set = answer.header("set-cookie")?;
    Some(set.split(';').next()?.to_owned())
}
