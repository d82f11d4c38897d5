"""Other gateways, installed by package into build/bench/ and measured in the same run as weir."""


def start(name, folder, mock_port):
    raise NotImplementedError(name)
