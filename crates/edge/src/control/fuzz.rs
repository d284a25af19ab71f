//! Fuzz targets: whatever comes over the control socket, cut up in any way, is read as lines.

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::lines::{Lines, line};
use crate::protocol::{Order, Report};

/// A message as a line of its own, if it is one.
fn printed<T: serde::Serialize + serde::de::DeserializeOwned>(text: &[u8]) -> Option<Vec<u8>> {
    let message: T = serde_json::from_slice(text).ok()?;
    let printed = line(&message).unwrap();
    assert_eq!(printed.iter().position(|byte| *byte == b'\n'), Some(printed.len() - 1));
    // Printed and read again, it is the same.
    let again: T = serde_json::from_slice(&printed).unwrap();
    assert_eq!(line(&again).unwrap(), printed);
    Some(printed)
}

#[test]
fn fuzz_control() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    ::fuzz::target("control", move |input| {
        let [cut, stream @ ..] = input else { return };
        let mut expected = Vec::new();
        for text in stream.split_inclusive(|byte| *byte == b'\n') {
            let _ = printed::<Report>(text);
            match printed::<Order>(text) {
                Some(order) if text.ends_with(b"\n") => expected.push(order),
                // What is not understood, or not whole, ends the conversation.
                Some(_) | None => break,
            }
        }
        let heard = runtime.block_on(async {
            let (mut client, edge) = UnixStream::pair().unwrap();
            let (read, write) = edge.into_split();
            let say = async {
                for piece in stream.chunks(usize::from(*cut).max(1)) {
                    // Whoever heard enough hangs up.
                    if client.write_all(piece).await.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                drop(client);
            };
            let hear = async {
                let (mut lines, mut heard) = (Lines::new(read), Vec::new());
                while let Ok(Some(order)) = lines.next().await {
                    heard.push(line(&order).unwrap());
                }
                // The other half would keep the connection, and whoever writes to it, waiting.
                drop(write);
                heard
            };
            tokio::join!(say, hear).1
        });
        assert_eq!(heard, expected);
    });
}
