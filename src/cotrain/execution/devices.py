"""Where tensors live: a device by name, refused when this machine does not have it."""

from __future__ import annotations

import torch

from cotrain.errors import InputError


def find_device(name: str) -> torch.device:
    """Return the device called ``name``.

    Raises
    ------
    InputError
        When torch knows no such device or this machine does not have it.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    >>> find_device("gpu")
    Traceback (most recent call last):
    ...
    cotrain.errors.InputError: `device` must be one that torch can use here, such as 'cpu'. Found 'gpu'.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"`device` must be one that torch can use here, such as 'cpu'. Found {name!r}.") from None
    return device
