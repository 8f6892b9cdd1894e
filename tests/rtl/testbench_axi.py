"""Cocotb benches of what speaks AXI, with cocotbext-axi's masters, sources and sinks."""

import itertools
import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from testbench_arithmetic import at_rest, start

from crossloom.rtl.registers.tile_map import TILE
from crossloom.rtl.tile.campaign import random_cells, random_config, random_inputs
from crossloom.rtl.tile.driver import cell_writes, setting_writes, table_writes
from crossloom.sim.crossbar.twin import twin_product


def pauses(share):
    """A pause generator that is true about this often."""
    while True:
        yield random.random() < share


@cocotb.test()
async def bus(dut):
    """Writes and reads arrive once, whole and in order, under every pairing of early, late and slow channels."""
    ports = ("aw_valid_i", "w_valid_i", "b_ready_i", "ar_valid_i", "r_ready_i", "rd_data_i", "rst_ni")
    await start(dut, **dict.fromkeys(ports, 0))
    await ClockCycles(dut.clk_i, 3)
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    mask = 2 ** len(dut.aw_addr_i) - 4
    for a_idle, w_idle, b_stall in itertools.product((0.0, 0.7), repeat=3):
        writes = [(random.getrandbits(20) & mask, random.getrandbits(32), random.getrandbits(4)) for _ in range(40)]
        reads = [random.getrandbits(20) & mask for _ in range(40)]
        sent = {"aw": 0, "w": 0, "b": 0, "ar": 0, "r": 0}
        seen, answers, asked, held, cycles = [], [], [], {"aw": False, "w": False, "ar": False}, 0
        while sent["b"] < 40 or sent["r"] < 40:
            for channel, idle in (("aw", a_idle), ("w", w_idle), ("ar", a_idle)):
                held[channel] = sent[channel] < 40 and (held[channel] or random.random() >= idle)
                getattr(dut, f"{channel}_valid_i").value = held[channel]
            if held["aw"]:
                dut.aw_addr_i.value = writes[sent["aw"]][0] | random.getrandbits(2)
            if held["w"]:
                dut.w_data_i.value, dut.w_strb_i.value = writes[sent["w"]][1:]
            if held["ar"]:
                dut.ar_addr_i.value = reads[sent["ar"]]
            dut.b_ready_i.value, dut.r_ready_i.value = random.random() >= b_stall, random.random() >= b_stall
            dut.rd_data_i.value = cycles
            await RisingEdge(dut.clk_i)
            cycles += 1
            assert cycles < 4000, "it hangs"
            if dut.wr_valid_o.value:
                seen.append(tuple(int(getattr(dut, f"wr_{n}_o").value) for n in ("addr", "data", "strb")))
            if dut.rd_valid_o.value:
                assert int(dut.rd_addr_o.value) == reads[len(asked)]
                asked.append(cycles - 1)
            if dut.r_valid_o.value and dut.r_ready_i.value:
                answers.append(int(dut.r_data_o.value))
                sent["r"] += 1
            sent["b"] += bool(dut.b_valid_o.value and dut.b_ready_i.value)
            for channel in held:
                if held[channel] and getattr(dut, f"{channel}_ready_o").value:
                    sent[channel], held[channel] = sent[channel] + 1, False
            await FallingEdge(dut.clk_i)
        assert seen == writes and answers == asked
        if a_idle == w_idle == b_stall == 0:
            assert cycles <= 2 * 40 + 3, "less than an access in two cycles"


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def tile(dut):
    """The whole tile behind real AXI masters, sources and sinks, over idle x back-pressure, with a fault in between."""
    rows, columns = 32, 16
    rng = np.random.default_rng(random.getrandbits(32))
    at_rest(dut, aclk=0, aresetn=0)
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    await ClockCycles(dut.aclk, 2)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, reset_active_level=False)
    args = dut.aclk, dut.aresetn, False
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *args)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), *args)
    await ClockCycles(dut.aclk, 5)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 2)
    assert int.from_bytes((await master.read(TILE.offset("ID"), 4)).data, "little") == 0x494D4331
    for idle, stall in itertools.product((0.0, 0.5), (0.0, 0.8)):
        config, cells = random_config(rng, rows, columns), random_cells(rng, rows, columns)
        pairs = np.concatenate([setting_writes(config), cell_writes(cells), table_writes(config)[: 4 * 2 * rows]])
        if idle == stall == 0:
            pairs = np.concatenate([pairs, table_writes(config)])
            table = config.table
        else:
            config = random_config(rng, rows, columns, np.concatenate([config.table[:4], table[4:]]))
            table = config.table
            pairs = np.concatenate([pairs, setting_writes(config)])
        for address, value in pairs.tolist():
            await master.write(address, int(value).to_bytes(4, "little"))
        source.set_pause_generator(pauses(idle))
        sink.set_pause_generator(pauses(stall))
        x = random_inputs(rng, config, 4)
        await source.send(AxiStreamFrame((x[0] & 255).astype(np.uint8).tobytes()[:12]))  # short
        for row in x:
            await source.send(AxiStreamFrame((row & 255).astype(np.uint8).tobytes()))
        y = twin_product(config, cells, x).y
        for expected in y:
            received = await with_timeout(sink.recv(), 200, "us")
            assert np.frombuffer(bytes(received.tdata), "<i2").tolist() == expected.tolist()
        error = await master.read(TILE.offset("ERROR"), 4)
        assert int.from_bytes(error.data, "little") == 1
        await master.write(TILE.offset("ERROR"), (63).to_bytes(4, "little"))
        assert sink.empty()
