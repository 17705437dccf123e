#!/usr/bin/env python3
"""Writes containers.jsonl: PDU session containers as pycrate 0.8.1 encodes them (TS 38.415 R16).

Run it in an environment with `pip install pycrate==0.8.1`; the result is committed.
"""
import itertools
import json
import random

from pycrate_mobile.TS38415_PDUSess import PDUSessInfo

random.seed(38415)


def bits(n):
    return random.getrandbits(n)


def row(kind, fields, values):
    info = PDUSessInfo()
    info["Type"].set_val(kind)
    alternative = info["Info"].get_alt()
    alternative.set_val(values)
    return {"type": kind, "fields": fields, "content": info.to_bytes().hex()}


rows = []
for qmp, snp, ppp, rqi in itertools.product((0, 1), repeat=4):
    values = {"QMP": qmp, "SNP": snp, "PPP": ppp, "RQI": rqi, "QFI": bits(6)}
    fields = {"qfi": values["QFI"], "rqi": bool(rqi)}
    if ppp:
        values["PPI"] = fields["ppi"] = bits(3)
    if qmp:
        values["DLSndTS"] = fields["sending_time_stamp"] = bits(64)
    if snp:
        values["DLQFISeqNum"] = fields["qfi_sequence_number"] = bits(24)
    rows.append(row(0, fields, values))

for qmp, dl, ul, snp, n3n9, new in itertools.product((0, 1), repeat=6):
    values = {
        "QMP": qmp, "DLDelayInd": dl, "ULDelayInd": ul, "SNP": snp,
        "N3N9DelayInd": n3n9, "NewIEFlagInd": new, "QFI": bits(6),
    }
    fields = {"qfi": values["QFI"]}
    if qmp:
        for name, field in (("DLSndTSRep", "dl_sending_repeated"), ("DLRcvTS", "dl_received"),
                            ("ULSndTS", "ul_sending")):
            values[name] = fields[field] = bits(64)
    if dl:
        values["DLDelayRes"] = fields["dl_delay_result"] = bits(32)
    if ul:
        values["ULDelayRes"] = fields["ul_delay_result"] = bits(32)
    if snp:
        values["ULQFISeqNum"] = fields["qfi_sequence_number"] = bits(24)
    if n3n9:
        values["N3N9DelayRes"] = fields["n3_n9_delay_result"] = bits(32)
    if new:
        values["NewIEFlags"] = 1
        values["D1ULPDCPDelayResInd"] = bits(1)
        fields["d1_ul_pdcp_delay_included"] = bool(values["D1ULPDCPDelayResInd"])
    rows.append(row(1, fields, values))

with open("containers.jsonl", "w", encoding="ascii") as out:
    for entry in rows:
        out.write(json.dumps(entry) + "\n")
