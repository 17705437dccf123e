#!/usr/bin/env python3
"""Writes messages.jsonl: the messages that the tests write, and what tshark 4.0 reads in them.

    WRITE_MESSAGES=/tmp/messages.hex cargo test -p gtpu --test golden messages; messages.py /tmp/messages.hex

The result is committed.
"""
import json
import subprocess
import sys
import tempfile

FIELDS = {
    "message": "gtp.message", "teid": "gtp.teid", "sequence": "gtp.seq_number",
    "recovery": "gtp.recovery", "teid_data": "gtp.teid_data", "ipv4": "gtp.gsn_ipv4",
    "ipv6": "gtp.gsn_ipv6", "udp_port": "gtp.ext_hdr.udp_port", "types": "gtp.ext_hdr_type",
    "enterprise": "gtp.ext_id", "qfi": "gtp.ext_hdr.pdu_ses_con.qos_flow_id",
    "ppi": "gtp.ext_hdr.pdu_ses_cont.ppi", "malformed": "_ws.malformed",
    "expert": "_ws.expert.message",
}
with open(sys.argv[1], encoding="ascii") as source:
    messages = source.read().split()
with tempfile.TemporaryDirectory() as folder, open("messages.jsonl", "w", encoding="ascii") as out:
    for message in messages:
        dump = "0000 " + " ".join(message[at:at + 2] for at in range(0, len(message), 2)) + "\n"
        with open(f"{folder}/dump", "w", encoding="ascii") as file:
            file.write(dump)
        subprocess.run(["text2pcap", "-q", "-u", "2152,2152", f"{folder}/dump", f"{folder}/pcap"],
                       check=True, capture_output=True)
        command = ["tshark", "-r", f"{folder}/pcap", "-T", "fields", "-E", "separator=|"]
        for field in FIELDS.values():
            command += ["-e", field]
        line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        row = dict(zip(FIELDS, line.rstrip("\n").split("|")))
        out.write(json.dumps({"hex": message, **{k: v for k, v in row.items() if v}}) + "\n")
