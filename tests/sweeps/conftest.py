"""A Ray that launches share: to join it costs a third of starting one."""

from collections.abc import Iterator

import pytest

from tests.sweeps.ray_nodes import ray_nodes


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a running Ray of one core. Whoever asks for it belongs to the group of launches."""
    from ray._raylet import AuthenticationTokenLoader, Config

    with ray_nodes(head_cpus=1) as (address, _):
        Config.initialize("")  # this process may have imported Ray, which read the environment then
        AuthenticationTokenLoader.instance().reset_cache()
        yield address
