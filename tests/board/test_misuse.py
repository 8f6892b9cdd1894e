"""Whatever goes wrong on the board ends in one error within its time, and the next good frame is exact."""

from dataclasses import replace

import numpy as np
import pytest
from board_cases import is_exact

from crossloom.rtl.compiler.bank_layout import bank_words
from crossloom.sim import CrossloomError, InputError, differing
from crossloom.sim.board import MEMORY, Region
from crossloom.sim.board.dma_registers import Channel, Control, Offset
from crossloom.sim.frames import frame_beats

LIMIT_S = 1.0  # of the board's time, within which every error must come


def fails(backend, cases, match):
    """A run ends in one line that says why, in time."""
    device = backend.overlay.device
    before = device.now()
    with pytest.raises(CrossloomError, match=match) as told:
        backend.run(cases[0])
    assert "\n" not in str(told.value)
    assert device.now() - before < LIMIT_S
    # As the error says, what was inside is gone already.
    dma = backend.overlay.dma
    assert dma.sendchannel.running and dma.recvchannel.running and backend._core.read("STATUS") == 0


# What somebody else does to DMA and core, also in the middle of a transfer.


def halts_the_receiver(backend):
    backend.overlay.dma.mmio.write(int(Channel.S2MM + Offset.CONTROL), 0)


def halts_the_sender(backend):
    backend.overlay.dma.mmio.write(int(Channel.MM2S + Offset.CONTROL), 0)


def resets_the_dma(backend):
    backend.overlay.dma.mmio.write(int(Channel.MM2S + Offset.CONTROL), int(Control.RESET))


def resets_the_core(backend):
    backend.overlay.core.write(backend._core.description.registers.offset("CONTROL"), 1)


def breaks_the_memory_of_the_frames(backend):
    memory = backend.overlay.device.memory
    memory.broken = Region(backend._transport._send[1].physical_address + 32, 8)


def breaks_the_memory_of_the_results(backend):
    memory = backend.overlay.device.memory
    memory.broken = Region(backend._transport._take[1].physical_address + 32, 8)


def takes_the_memory_away(backend):
    memory = backend.overlay.device.memory
    memory.region = replace(memory.region, size=0x1000)


@pytest.mark.parametrize(
    ("done", "match"),
    [
        (halts_the_receiver, "the DMA halted"),
        (halts_the_sender, "the DMA halted"),
        (resets_the_dma, "the DMA halted"),
        (resets_the_core, "bytes came; 320 were expected"),
    ],
)
def test_interference_in_the_middle_of_a_transfer(opened, cases, monkeypatch, done, match):
    backend = opened()
    begin = backend._transport.begin

    def interfered(*given):
        begin(*given)
        backend.overlay.device.model.run(100)
        done(backend)

    monkeypatch.setattr(backend._transport, "begin", interfered)
    fails(backend, cases, match)
    monkeypatch.undo()
    is_exact(backend, cases)


@pytest.mark.parametrize(
    ("done", "match"),
    [
        (breaks_the_memory_of_the_frames, r"sending: the memory answered with an error \(slave error\)"),
        (breaks_the_memory_of_the_results, r"receiving: the memory answered with an error \(slave error\)"),
        (takes_the_memory_away, r"there is no memory at the buffer's address \(decode error\)"),
    ],
)
def test_an_error_of_the_memory_in_the_middle_of_a_transfer(opened, cases, done, match):
    backend = opened()
    memory = backend.overlay.device.memory
    done(backend)
    fails(backend, cases, match)
    memory.broken, memory.region = None, MEMORY
    is_exact(backend, cases)


@pytest.mark.parametrize("done", [halts_the_receiver, halts_the_sender, resets_the_dma, resets_the_core])
def test_interference_between_transfers_is_mended_before_the_next(opened, cases, done):
    backend = opened()
    is_exact(backend, cases)
    done(backend)
    is_exact(backend, cases)


@pytest.mark.parametrize("frames", [1, 4])
def test_a_frame_that_somebody_sent_before_anybody_received_is_not_our_answer(opened, cases, sha, frames):
    backend = opened(frames)
    device = backend.overlay.device
    for _ in range(2):
        buffer = device.allocate((backend._transport._layout.frame_beats,), np.uint64)
        buffer[:] = frame_beats(sha.network, cases[0][-1:]).reshape(-1)
        backend.overlay.dma.sendchannel.transfer(buffer)
        device.model.run(20_000)
        is_exact(backend, cases)


def test_a_receiver_that_somebody_armed_takes_no_answer(opened, cases):
    backend = opened()
    buffer = backend.overlay.device.allocate((8,), np.uint64)
    backend.overlay.dma.recvchannel.transfer(buffer)
    is_exact(backend, cases)
    assert not buffer.any()


def test_a_packet_size_that_somebody_changed_is_told_and_set_again(opened, cases):
    backend = opened()
    backend.overlay.core.register_map.PACKET = 1
    fails(backend, cases, "status long|bytes came")
    is_exact(backend, cases)


def test_banks_that_somebody_wrote_into_are_written_again_at_the_next_opening(opened, overlay, cases):
    backend = opened()
    word = next(iter(bank_words(backend._core.description.layout, backend._network)))
    for address, value in backend._core.bank_writes([replace(word, parts=(1,))]).tolist():
        backend.overlay.core.write(address, value)
    backend._check(overlay)
    assert backend.rewrite_s > 0
    is_exact(backend, cases)


def test_a_result_that_is_shorter_than_expected_is_told(opened, cases, monkeypatch):
    backend = opened()
    begin = backend._transport.begin
    monkeypatch.setattr(backend._transport, "begin", lambda slot, count, expect: begin(slot, count, expect + 1))
    fails(backend, cases, r"a packet of \d+ bytes came; \d+ were expected")
    monkeypatch.undo()
    is_exact(backend, cases)


def test_a_result_that_is_longer_than_the_buffer_is_told(opened, cases, monkeypatch):
    backend = opened()
    begin = backend._transport.begin
    monkeypatch.setattr(backend._transport, "begin", lambda slot, count, expect: begin(slot, count, expect - 1))
    fails(backend, cases, r"receiving: the packet is longer than the buffer \(internal error\)")
    monkeypatch.undo()
    is_exact(backend, cases)


def test_half_a_frame_is_told(opened, cases, monkeypatch):
    backend = opened(1)
    begin = backend._transport.begin
    monkeypatch.setattr(backend._transport, "begin", lambda slot, count, expect: begin(slot, count - 1, expect))
    fails(backend, cases, "status short")
    monkeypatch.undo()
    is_exact(backend, cases)


def test_a_core_whose_clock_stands_still_is_told(opened, cases, monkeypatch):
    backend = opened()
    dma = backend.overlay.device.dma

    def nothing(mover, limit):
        dma.waited += limit

    monkeypatch.setattr(dma._movers, "run", nothing)
    fails(backend, cases, "the frame was not taken in time")
    monkeypatch.undo()
    is_exact(backend, cases)


@pytest.mark.parametrize(("sending", "receiving"), [(200, 0), (0, 200), (128, 250)])
def test_a_memory_that_is_not_always_ready_changes_no_answer(opened, cases, sending, receiving):
    backend = opened()
    movers = backend.overlay.device.dma._movers
    movers.send.pause, movers.take.pause = sending, receiving
    is_exact(backend, cases)
    assert (backend.counters()["STALLS"] > 0) == (receiving > 0)


# Images.


def test_images_of_any_layout_in_memory_are_read_right(opened, cases):
    backend, (codes, wanted) = opened(), cases
    wide = np.repeat(codes, 2, axis=0)
    for view in (wide[::2], np.asfortranarray(codes), codes.astype(">i8"), codes[::-1][::-1], codes.astype(np.int16)):
        is_exact(backend, (view, wanted))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda images: images.astype(np.int32),
        lambda images: images.reshape(len(images), -1),
        lambda images: images[..., :-1],
        lambda images: images.astype(object),
        lambda images: images.astype(float) * np.nan,
    ],
)
def test_images_of_another_shape_or_dtype_are_refused(sha, wrong):
    from crossloom.host import Accelerator

    with Accelerator("digits-sha", "virtual", frames=2) as accelerator:
        with pytest.raises(InputError, match="images"):
            accelerator(wrong(sha.golden.images))
        wanted = Accelerator("digits-sha", "integer")(sha.golden.images)
        assert not differing(wanted.result, accelerator(sha.golden.images).result).any()
