"""Parameters: values of the chain's rules that governance sets without an upgrade.

Responsible for keeping what was set and for answering what is in force. Which parameters there are, their
types and bounds, and who sets each, the composition registers. Call, event and storage are
pallet_parameters' of polkadot-stable2503; the bounds and the error are this chain's own.

Invariant (checked by `try_state`): each value kept is of the parameter that it lies under, and allowed.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar

from pallets.governance import weights
from pallets.governance.parameters_types import Named, Parameter, ParametersConfig
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet
from runtime.frame.storage import BLAKE2_128_CONCAT, Map, storage
from runtime.primitives.shape import Foreign

T = TypeVar("T")
Setting: TypeAlias = Annotated[Named, Foreign("RuntimeParameters")]
Key: TypeAlias = Annotated[Named, Foreign("RuntimeParametersKey")]
Kept: TypeAlias = Annotated[Named, Foreign("RuntimeParametersValue")]


class Parameters(Pallet[ParametersConfig]):
    """Values that governance sets."""

    parameters: Map[Key, Kept | None] = storage(BLAKE2_128_CONCAT, docs="Parameters that were set.")

    class Updated(Event, index=0):
        """A parameter was set, perhaps to what it was."""

        key: Key
        old_value: Kept | None
        new_value: Kept | None

    class OutOfBounds(PalletError, index=0):
        """The value is not allowed for this parameter."""

    @call(0, weight=weights.PARAMETERS_SET)
    def set_parameter(self, origin: Origin, key_value: Setting) -> None:
        """Set a parameter, or put it back to its default by no value."""
        registry = self.config.registry
        parameter, value = registry.parameter_of(key_value), key_value.field_0.field_1
        self.config.admins.ensure_admin(origin, parameter)
        if value is not None and not parameter.is_allowed(value):
            raise self.OutOfBounds
        key = registry.key_of(parameter)
        old, new = self.parameters.get(key), None if value is None else registry.value_of(parameter, value)
        if new is None:
            self.parameters.remove(key)
        else:
            self.parameters.put(key, new)
        self.deposit(self.Updated(key, old, new))

    def get(self, parameter: Parameter[T]) -> T:
        """Return what is in force: what was set, or the default."""
        found = self.parameters.get(self.config.registry.key_of(parameter))
        if found is None:
            return parameter.default
        value: T = found.field_0.field_0
        return value

    def try_state(self) -> None:
        """AssertionError unless every value is of its parameter and allowed."""
        for key, found in self.parameters.items():
            assert found is not None
            parameter: Parameter[Any] = self.config.registry.parameter_of(key)
            assert self.config.registry.parameter_of(found) == parameter, f"{parameter.name}: another's value"
            assert parameter.is_allowed(found.field_0.field_0), f"{parameter.name}: not allowed"
