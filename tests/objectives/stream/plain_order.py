"""The order of the stream in plain Python, as docs/stream-order.md has it: the tests' oracle."""

import hashlib
import heapq
from math import isqrt
from typing import NamedTuple

MASK = (1 << 64) - 1
SCALE = 1 << 32


def mix(value):
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def draw(key, index):
    return mix((key + (index + 1) * 0x9E3779B97F4A7C15) & MASK)


def derive(key, *parts):
    for part in parts:
        key = draw(mix(key ^ MASK), name_number(part) if isinstance(part, str) else part)
    return key


def name_number(name):
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def below(value, bound):
    return (value * bound) >> 64


def permute(index, count, key):
    width = isqrt(count - 1) + 1
    height = -(-count // width)
    while True:
        row, column = divmod(index, width)
        for number in range(1, 9, 2):
            row = (row + below(draw(draw(key, number), column), height)) % height
            column = (column + below(draw(draw(key, number + 1), row), width)) % width
        index = row * width + column
        if index < count:
            return index


def first_unit(epoch, addresses, size):
    return -(-epoch * addresses // size)


def unit(drawn, addresses, size, key):
    """(epoch, number within the epoch, first global offset)"""
    epoch = drawn * size // addresses
    first = first_unit(epoch, addresses, size)
    count = first_unit(epoch + 1, addresses, size) - first
    number = permute(drawn - first, count, derive(key, epoch))
    return epoch, number, (first + number) * size


def rotation(epoch, addresses, key):
    return below(draw(derive(key, epoch), 0), addresses)


def address_ranges(start, count, addresses, key):
    """[(epoch, first address, number of addresses)]"""
    ranges = []
    while count:
        epoch, offset = divmod(start, addresses)
        length = min(count, addresses - offset)
        first = (offset + rotation(epoch, addresses, key)) % addresses
        ranges.append((epoch, first, length))
        start += length
        count -= length
    return ranges


class Interleave:
    def __init__(self, weights):
        self.nodes: dict[int, tuple[int, int, int, int]] = {}
        heap = [(weight, index) for index, weight in enumerate(weights) if weight]
        heapq.heapify(heap)
        while len(heap) > 1:
            (weight, left), (other, right) = heapq.heappop(heap), heapq.heappop(heap)
            name = len(weights) + len(self.nodes)
            self.nodes[name] = left, right, weight, weight + other
            heapq.heappush(heap, (weight + other, name))
        self.root = heap[0][1]

    def component_of(self, number):
        """(component of unit `number`, how many units it had before)"""
        node = self.root
        while node in self.nodes:
            left, right, weight, total = self.nodes[node]
            before = rounded(number * weight, total)
            if rounded((number + 1) * weight, total) > before:
                node, number = left, before
            else:
                node, number = right, number - before
        return node, number


def rounded(numerator, denominator):
    return (2 * numerator + denominator) // (2 * denominator)


class Location(NamedTuple):
    component: int
    epoch: int
    unit: int
    sequence: int
    objective: str
    key: int
    ranges: list[tuple[int, int, int]]


def locate(plan, position):
    """Where the sequence at a position comes from; `ranges` are those of its unit."""
    group, inside = divmod(position, plan.interleave * plan.sequences_per_unit)
    sequence, lane = divmod(inside, plan.interleave)
    number = group * plan.interleave + lane
    component, drawn = component_at(plan, number)
    chosen = plan.components[component]
    component_key = derive(plan.seed, chosen.name)
    epoch, of_epoch, start = unit(drawn, chosen.addresses, chosen.unit_size, component_key)
    key = derive(component_key, epoch, of_epoch)
    order = sorted(range(len(plan.slots)), key=lambda i: draw(key, i))
    ranges = address_ranges(start, chosen.unit_size, chosen.addresses, component_key)
    return Location(
        component, epoch, of_epoch, sequence, plan.slots[order[sequence]], derive(key, sequence),
        ranges,
    )  # fmt: skip


def component_at(plan, number):
    """(component of unit `number` of the stream, how many units it had before)"""
    before = [0] * len(plan.components)
    firsts = [stage.position // plan.sequences_per_unit for stage in plan.stages]
    for index, stage in enumerate(plan.stages):
        interleave, last = Interleave(stage.weights), index + 1 == len(plan.stages)
        if last or number < firsts[index + 1]:
            component, drawn = interleave.component_of(number - firsts[index])
            return component, before[component] + drawn
        for unit_number in range(firsts[index + 1] - firsts[index]):
            before[interleave.component_of(unit_number)[0]] += 1
    raise AssertionError
