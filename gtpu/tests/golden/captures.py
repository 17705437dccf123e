#!/usr/bin/env python3
"""Writes captures.jsonl: GTP-U datagrams of public captures and what tshark 4.0 says of them.

Usage: captures.py DIRECTORY-OF-CAPTURES. The result is committed. Sources and licences: README.md.
"""
import json
import pathlib
import subprocess
import sys

FRAMES_PER_FILE = 16
# Long packets of users add nothing; one a file will do.
LONG = 400
FIELDS = {
    "flags": "gtp.flags", "message": "gtp.message", "length": "gtp.length", "teid": "gtp.teid",
    "sequence": "gtp.seq_number", "next": "gtp.ext_hdr.next",
    "pdu_type": "gtp.ext_hdr.pdu_ses_con.pdu_type", "qfi": "gtp.ext_hdr.pdu_ses_con.qos_flow_id",
    "teid_data": "gtp.teid_data", "address": "gtp.gsn_ipv4", "recovery": "gtp.recovery",
    "payload": "udp.payload",
}
seen = set()
with open("captures.jsonl", "w", encoding="ascii") as out:
    files = [path for path in pathlib.Path(sys.argv[1]).rglob("*.pcap*")
             if path.parent.name == "public" or ".n3." in path.name]
    for path in sorted(files):
        command = ["tshark", "-r", str(path), "-Y", "udp.port==2152 && gtp", "-T", "fields",
                   "-E", "occurrence=f", "-E", "separator=|"]
        for field in FIELDS.values():
            command += ["-e", field]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        long = 0
        for line in lines.splitlines()[:FRAMES_PER_FILE]:
            row = dict(zip(FIELDS, line.split("|")))
            long += len(row["payload"]) > 2 * LONG
            if row["payload"] in seen or len(row["payload"]) > 2 * LONG and long > 1:
                continue
            seen.add(row["payload"])
            row = {name: value for name, value in row.items() if value}
            out.write(json.dumps({"source": path.name, **row}) + "\n")
