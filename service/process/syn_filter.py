"""Stops new connections to a listening socket and keeps those that wait in its queue.

Closing a listening socket resets the connections that the kernel has accepted and the process has not: their clients
lose requests that they have sent. A filter that drops the first packet of each new connection (SYN) makes time to
accept the rest. Clients send that packet again after a second; by then, another server listens or nobody does.
"""

import ctypes
import socket
import struct
from typing import Final

SO_ATTACH_FILTER: Final = 26  # <asm-generic/socket.h>
# struct sock_filter: code, jump if true, jump if false, constant
INSTRUCTION: Final = "HBBI"
LOAD_BYTE, JUMP_IF_SET, RETURN = 0x30, 0x45, 0x06  # <linux/bpf_common.h>
FLAGS_OFFSET: Final = 13  # of a TCP header
SYN: Final = 0x02
WHOLE_PACKET: Final = 0xFFFFFFFF
PROGRAM: Final = (
    (LOAD_BYTE, 0, 0, FLAGS_OFFSET),
    (JUMP_IF_SET, 0, 1, SYN),
    (RETURN, 0, 0, 0),
    (RETURN, 0, 0, WHOLE_PACKET),
)


def drop_new_connections(listener: socket.socket) -> bool:
    """Drop the first packet of each new connection from now on. False if this kernel cannot."""
    code = b"".join(struct.pack(INSTRUCTION, *instruction) for instruction in PROGRAM)
    memory = ctypes.create_string_buffer(code, len(code))
    try:
        # struct sock_fprog: number of instructions, and their address. The kernel copies them.
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(PROGRAM), ctypes.addressof(memory))
        )
    except OSError:
        return False
    return True
