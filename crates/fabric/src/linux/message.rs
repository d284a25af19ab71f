//! The messages that netlink packs into one datagram (`struct nlmsghdr` of `linux/netlink.h`).

/// Bytes of a message's header.
const HEADER: usize = 16;

/// A message as the kernel sent it.
pub(super) struct Message<'a> {
    /// What it is about; the numbers are those of the protocol.
    pub(super) kind: u16,
    /// The port of the socket whose request led to it; 0 is the kernel's own.
    pub(super) port: u32,
    /// What comes after the header.
    pub(super) body: &'a [u8],
    /// The message with its header.
    pub(super) whole: &'a [u8],
}

/// The messages of a datagram, in order. One that is cut off ends them.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
        let port = u32::from_ne_bytes(rest.get(12..HEADER)?.try_into().ok()?);
        let (body, whole) = (rest.get(HEADER..length)?, rest.get(..length)?);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, port, body, whole })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, port: u32, body: &[u8]) -> Vec<u8> {
        let length = (HEADER + body.len()) as u32;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 6]);
        bytes.extend(port.to_ne_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn messages_are_padded_and_a_part_of_one_is_none() {
        let mut datagram = message(16, 7, b"odd");
        datagram.push(0);
        datagram.extend(message(17, 0, b""));
        datagram.extend(&message(18, 0, b"cut off")[..20]);
        let found: Vec<_> =
            messages(&datagram).map(|m| (m.kind, m.port, m.body, m.whole.len())).collect();
        assert_eq!(found, [(16, 7, b"odd".as_slice(), 19), (17, 0, b"".as_slice(), 16)]);
        // A length that is less than a header's would never lead on.
        assert_eq!(messages(&[0; 32]).count(), 0);
    }
}
