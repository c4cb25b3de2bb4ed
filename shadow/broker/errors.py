"""What every question to a broker may raise."""


class BrokerError(Exception):
    """What is wrong with the broker and what to do about it, in one line."""


class LoginError(BrokerError):
    """The broker does not let this client in: the variables that say how to log in are to be corrected."""


class SecurityError(LoginError):
    """What is wrong with the variables that say how to log in: nothing to wait for."""
