"""Sends frames of many kinds, or says which of them come: frames.py send|hear OWN PEER PEER_MAC."""
import fcntl, socket, struct, sys

link = next(name for _, name in socket.if_nameindex() if name != "lo")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    SIOCGIFHWADDR = 0x8927
    own_mac = fcntl.ioctl(any_socket, SIOCGIFHWADDR, struct.pack("256s", link.encode()))[18:24]
what, own, peer = sys.argv[1:4]
peer_mac = bytes.fromhex(sys.argv[4].replace(":", ""))
KIND = 0x88B5


def arp(source):
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + own_mac + socket.inet_aton(source)
    return peer_mac + own_mac + b"\x08\x06" + body + peer_mac + socket.inet_aton(peer)


def ip(to_mac, to):
    udp = struct.pack("!HHHH", 5353, 5353, 12, 0) + b"cwcw"
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 8, 17, 0) + socket.inet_aton(own) + socket.inet_aton(to)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
    return to_mac + own_mac + b"\x08\x00" + head + udp


def six(to_mac, kind):
    icmp = struct.pack("!BBH", kind, 0, 0) + bytes(12)
    head = struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + socket.inet_pton(socket.AF_INET6, "fe80::1")
    return to_mac + own_mac + b"\x86\xdd" + head + socket.inet_pton(socket.AF_INET6, "ff02::1") + icmp


everybody = b"\xff" * 6
frames = {
    "unknown": peer_mac + own_mac + struct.pack("!H", KIND) + bytes(46),
    "unknown to all": everybody + own_mac + struct.pack("!H", KIND) + bytes(46),
    "lldp": bytes.fromhex("0180c200000e") + own_mac + b"\x88\xcc" + bytes(46),
    "advertisement": six(bytes.fromhex("333300000001"), 134),
    "solicitation": six(bytes.fromhex("333300000001"), 135),
    "forged": arp("10.1.0.1"),
    "multicast": ip(bytes.fromhex("01005e0000fb"), "224.0.0.251"),
    "broadcast": ip(everybody, "255.255.255.255"),
    "by all": ip(everybody, peer),
    "own": arp(own),
}
if what == "send":
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sender.bind((link, 0))
    for frame in frames.values():
        for _ in range(3):
            sender.send(frame.ljust(60, b"\0"))
    sys.exit()

hearer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
hearer.bind((link, 0))
hearer.settimeout(10)
print("ready", flush=True)
heard = set()
while "own" not in heard:
    frame = hearer.recv(2048)
    if frame[6:12] != peer_mac:
        continue
    kind = frame[12:14]
    if kind == b"\x08\x06":
        heard.add("own" if frame[28:32] == socket.inet_aton(peer) else "forged")
    else:
        heard.add(f"{kind.hex()} to {frame[:6].hex()}")
print(", ".join(sorted(heard)))
