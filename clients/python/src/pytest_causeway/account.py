"""An account of the emulator: whose VPCs a test makes."""

import secrets


class Account:
    """An account that nobody else has. An emulator has it as soon as it is named."""

    def __init__(self, server, id=None):
        self.server = server
        # Twelve digits at random: those who share a server, in whatever run, are not to meet.
        self.id = id or str(10**11 + secrets.randbelow(9 * 10**11))

    def __repr__(self):
        return f"<account {self.id} of {self.server!r}>"

    def environment(self, region=None):
        """The variables with which clients ask as this account."""
        return self.server.environment(self.id, region)

    def boto3(self, service="ec2", region=None, **more):
        """A client of boto3 for this account."""
        return self._session(region).client(service, endpoint_url=self.server.url, **more)

    def boto3_resource(self, service="ec2", region=None, **more):
        """A resource of boto3 for this account."""
        return self._session(region).resource(service, endpoint_url=self.server.url, **more)

    def reset(self):
        """Removes what this account has."""
        self.server.reset(self.id)

    def _session(self, region):
        # Only whoever asks for it needs it.
        import boto3

        variables = self.environment(region)
        return boto3.session.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables["AWS_REGION"],
        )
