import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from csam_lightning.acceleration.optimizer import MemoryOrderAdamW, as_it_lies
from csam_lightning.acceleration.products import by_elements

Order = Callable[[Tensor], Tensor]


def channels_last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


def channel_by_channel(weight: Tensor) -> Tensor:
    return weight.contiguous()


ORDERS = pytest.mark.parametrize("order", [channel_by_channel, channels_last, by_elements])


def step(weight: nn.Parameter, optimizer: torch.optim.Optimizer, order: Order, number: int) -> None:
    torch.manual_seed(number)
    weight.grad = order(torch.randn(weight.shape))
    optimizer.step()


@ORDERS
def test_steps_are_those_of_the_librarys_plain_loop(order: Order) -> None:
    start = torch.randn(6, 5, 3, 3)
    ours, theirs = nn.Parameter(order(start.clone())), nn.Parameter(start.clone())
    fast = MemoryOrderAdamW([ours], lr=0.1, weight_decay=0.2, fused=True)
    plain = torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.2, fused=False, foreach=False)
    for number in range(4):
        step(ours, fast, order, number)
        step(theirs, plain, channel_by_channel, number)
        torch.testing.assert_close(ours.data, theirs.data)
        assert ours.stride() == order(start).stride()


@ORDERS
@pytest.mark.parametrize("amsgrad", [False, True])
def test_steps_are_the_librarys_fused_ones_to_the_bit(order: Order, *, amsgrad: bool) -> None:
    start = torch.randn(6, 5, 3, 3)
    ours, theirs = (nn.Parameter(order(start.clone())) for _ in range(2))
    optimizers = [
        kind([weight], lr=0.1, fused=True, amsgrad=amsgrad)
        for kind, weight in ((MemoryOrderAdamW, ours), (torch.optim.AdamW, theirs))
    ]
    for number in range(3):
        for weight, optimizer in zip((ours, theirs), optimizers, strict=True):
            step(weight, optimizer, order, number)
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(("kind", "copies"), [(MemoryOrderAdamW, 0), (torch.optim.AdamW, 1)])
def test_no_gradient_is_copied_as_the_library_does(kind: type[torch.optim.Optimizer], copies: int) -> None:
    weight = nn.Parameter(by_elements(torch.randn(6, 5, 3, 3)))
    optimizer = kind([weight], fused=True)  # type: ignore[call-arg]
    step(weight, optimizer, by_elements, 0)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        optimizer.step()
    names = [event.name for event in profiled.events()]
    assert names.count("aten::_fused_adamw_") == 1
    assert names.count("aten::clone") == copies


def test_switch_among_the_lists_of_pytorch_2_6_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def fill(_: torch.optim.Optimizer, __: object, *lists: object) -> bool:
        given.extend(lists)
        return False

    monkeypatch.setattr(torch.optim.AdamW, "_init_group", fill)
    gradients = [by_elements(torch.randn(6, 5, 3, 3))]
    MemoryOrderAdamW([nn.Parameter(torch.zeros(1))], fused=True)._init_group({}, gradients, True)
    assert given == [gradients, True]
    assert gradients[0].is_contiguous()


@ORDERS
def test_state_from_weights_in_another_order_is_taken_up(order: Order) -> None:
    start = torch.randn(6, 5, 3, 3)
    whole, first, second = (
        nn.Parameter(arrange(start.clone())) for arrange in (channel_by_channel, by_elements, order)
    )
    optimizers = [MemoryOrderAdamW([weight], lr=0.1, fused=True) for weight in (whole, first, second)]
    for number in range(2):
        step(whole, optimizers[0], channel_by_channel, number)
        step(first, optimizers[1], by_elements, number)
    with torch.no_grad():
        second.copy_(first)
    optimizers[2].load_state_dict(copy.deepcopy(optimizers[1].state_dict()))
    step(whole, optimizers[0], channel_by_channel, 2)
    step(second, optimizers[2], order, 2)
    torch.testing.assert_close(second.data, whole.data)


def test_views_share_memory_and_are_contiguous() -> None:
    for tensor in (torch.randn(4, 3), channels_last(torch.randn(4, 3, 2, 2)), by_elements(torch.randn(4, 3, 2, 2))):
        view = as_it_lies(tensor)
        assert view.is_contiguous()
        assert view.data_ptr() == tensor.data_ptr()
        assert view.numel() == tensor.numel()
