"""Cocotb bench of a core's registers, in every cycle against a model in Python."""

import random
from pathlib import Path

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge
from testbench_engine_streams import parameters
from testbench_streams import reset

from crossloom.rtl.compiler.words import ENUM_BITS, Memory
from crossloom.rtl.registers.core_map import CORE, COUNTERS, IDENTITY, VERSION


@cocotb.test()
async def core_regs(dut):
    """Random reads, writes, faults and counts, in every cycle what a model in Python says."""
    clip_bits, spike_bits = parameters("ClipBits", "SpikeBits")
    *words, capacity = parameters("Weights", "Params", "Tables", "Branches", "Neurons", "Capacity")
    parts = parameters("WeightParts", "ParamParts", "TableParts")
    parts = [*parts, 1, *parameters("NeuronParts")]
    identity = [int(text, 16) for text in Path("identity.mem").read_text().split()]
    offsets = {register.name: register.offset for register in CORE.registers}
    at = {offset: name for name, offset in offsets.items()}
    events = "drop", "image", "short", "long", "sent", "waiting"
    inputs = [f"{name}_i" for name in (*events, "busy", "clipped", "spiked", "wr_valid", "rd_valid")]
    await reset(dut, **dict.fromkeys(inputs, 0), wr_addr_i=0, wr_data_i=0, wr_strb_i=0, rd_addr_i=0)
    writable = {r.name for r in CORE.registers if r.access != "ro"}
    kept = {"TIMEOUT": CORE.registers[5].reset, "PACKET": 1, "BANK_PLACE": 0, "BANK_PART": 0, "BANK_HIGH": 0}
    mask = {"TIMEOUT": 32, "PACKET": 16, "BANK_PLACE": 20 + ENUM_BITS[Memory], "BANK_PART": 16, "BANK_HIGH": 4}
    error, stalled, counts, named, strobe, soft = 0, 0, [0] * len(COUNTERS), True, None, False
    late = told = False
    for cycle in range(6000):
        often = 0.5 if cycle // 500 % 2 else 0.9
        event = {name: random.random() < (often if name == "waiting" else 0.1) for name in events}
        busy, clipped, spiked = random.random() < 0.4, random.getrandbits(clip_bits), random.getrandbits(spike_bits)
        write, read = random.random() < 0.5, random.random() < 0.7
        name = random.choice(["BANK_DATA", "ERROR", "TIMEOUT", "TIMEOUT", "PACKET", "WEIGHTS_7", *sorted(writable)])
        address = offsets[name] if random.random() < 0.9 else random.randrange(0, 1 << 12, 4)
        data = random.choice((0, 2, random.getrandbits(32), random.randrange(1, 9), capacity, capacity + 1))
        if name == "BANK_PLACE" and random.random() < 0.9:
            memory = random.choice([*Memory, len(Memory), 15])
            count = words[memory] if memory in list(Memory) else 1
            data = memory << 20 | random.choice((0, count - 1, count))
        elif name == "BANK_PART" and random.random() < 0.9:
            data = random.randrange(max(parts) + 1)
        elif name == "TIMEOUT":  # about as long as a stall, also changed in the middle of one
            data = random.randrange(16)
        elif name == "PACKET":
            data = random.choice((0, 1, 0xFFFF, 0x10000, random.getrandbits(16)))
        strb = 15 if random.random() < 0.9 else random.randrange(15)
        target = random.choice(sorted(at)) if random.random() < 0.95 else random.randrange(0, 1 << 12, 4)
        for key, value in event.items():
            getattr(dut, f"{key}_i").value = value
        dut.busy_i.value, dut.clipped_i.value, dut.spiked_i.value = busy, clipped, spiked
        dut.wr_valid_i.value, dut.wr_addr_i.value, dut.wr_data_i.value = write, address, data
        dut.wr_strb_i.value, dut.rd_valid_i.value, dut.rd_addr_i.value = strb, read, target
        await RisingEdge(dut.clk_i)
        # What the registers show before the edge.
        asked, wanted = at.get(target), 0
        if asked in kept:
            wanted = kept[asked]
        elif asked in ("ID", "VERSION"):
            wanted = {"ID": IDENTITY, "VERSION": VERSION}[asked]
        elif asked == "STATUS":
            wanted = event["drop"] << 1 | busy
        elif asked == "ERROR":
            wanted = error
        elif 0x40 <= target < 0xA0:
            wanted = identity[(target - 0x40) // 4] if named or target < 0x80 else 0
        elif 0xC0 <= target < 0xC0 + 4 * len(counts):
            wanted = counts[(target - 0xC0) // 4]
        assert int(dut.rd_data_o.value) == wanted, (cycle, asked, hex(target))
        assert bool(dut.core_rst_no.value) != soft
        assert int(dut.packet_o.value) == kept["PACKET"]
        assert bool(dut.bank_we_o.value) == (strobe is not None)
        if strobe:
            names = "bank_memory_o", "bank_addr_o", "bank_part_o", "bank_data_o"
            assert tuple(int(getattr(dut, n).value) for n in names) == strobe
        # And what becomes of them.
        hit = at.get(address)
        hit = hit if hit in writable else None
        locked = busy and hit is not None and (hit in ("BANK_DATA", "PACKET") or hit.startswith("WEIGHTS"))
        memory, word = kept["BANK_PLACE"] >> 20, kept["BANK_PLACE"] & 0xFFFFF
        there = memory < len(Memory) and word < words[memory] and kept["BANK_PART"] < parts[memory]
        there = there and (memory != Memory.ROWS or 0 < data <= capacity)
        right = strb == 15 and (hit != "BANK_DATA" or there) and (hit != "PACKET" or 0 < data < 1 << 16)
        done = hit if write and not locked and right else None
        assert bool(dut.resync_o.value) == (done == "ERROR" and bool(data & 2))
        faults = [
            event["short"],
            event["long"],
            write and locked,
            (write and hit is None) or (read and asked is None),
            write and hit is not None and not locked and not right,
            late and not told,
        ]
        if done == "ERROR":
            error &= ~data
        error |= sum(bool(fault) << i for i, fault in enumerate(faults))
        told = event["waiting"] and (told or late)
        stalled = stalled + 1 if event["waiting"] else 0
        late = event["waiting"] and 0 < kept["TIMEOUT"] <= stalled
        steps = [event["image"], event["sent"], event["short"], event["long"]]
        steps += [sum(map(bool, faults)), busy, event["waiting"], clipped, spiked]
        clear = done == "CONTROL" and data & 2
        counts = [0 if clear else count + int(step) for count, step in zip(counts, steps, strict=True)]
        strobe, soft = None, done == "CONTROL" and bool(data & 1)
        if done in kept:
            kept[done] = data & ((1 << mask[done]) - 1)
        elif done == "BANK_DATA":
            place, part = kept["BANK_PLACE"], kept["BANK_PART"]
            kept["BANK_PART"], named = (part + 1) & 0xFFFF, False
            after = place >> 20, place & 0xFFFFF, part, kept["BANK_HIGH"] << 32 | data
            strobe = after
        elif done is not None and done.startswith("WEIGHTS"):
            identity[(address - 0x40) // 4] = data
            named = named or done == "WEIGHTS_7"
        await FallingEdge(dut.clk_i)
