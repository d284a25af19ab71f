"""The network is what it is meant to be. Each test has an account of its own, so they run in parallel."""

import boto3
import network
import pytest
from botocore.exceptions import ClientError


def other_vpcs(ec2):
    vpcs = ec2.describe_vpcs()["Vpcs"]
    return [vpc["VpcId"] for vpc in vpcs if not vpc["IsDefault"]]


@pytest.mark.parametrize("number", range(4))
def test_nobody_else_is_in_the_account(causeway_boto3, number):
    ec2 = causeway_boto3("ec2")
    assert other_vpcs(ec2) == []
    made = network.make(ec2)
    assert other_vpcs(ec2) == [made["vpc"]]


def test_what_a_test_leaves_is_gone(causeway_server, causeway_account):
    network.make(causeway_account.boto3())
    causeway_account.reset()
    assert other_vpcs(causeway_account.boto3()) == []


def test_clients_of_the_code_under_test_find_the_server_too(causeway_env):
    assert other_vpcs(boto3.client("ec2")) == []
    identity = boto3.client("sts").get_caller_identity()
    assert identity["Account"] == causeway_env["AWS_ACCESS_KEY_ID"]


def test_only_one_port_is_open_and_the_reason_is_told(causeway_boto3, causeway_why):
    ec2 = causeway_boto3("ec2")
    made = network.make(ec2, office="10.20.0.0/24")
    office, service = (network.launch(ec2, made) for _ in range(2))
    assert causeway_why(office, service, 443)["allowed"] is True
    shut = causeway_why(office, service, 22)
    assert shut["allowed"] is False
    stopped = next(hop for hop in shut["hops"] if hop["decision"] == "blocked")
    assert made["group"] in stopped["security_group_ids"]


def test_a_request_for_a_peering_expires(causeway_boto3, causeway_snapshot, causeway_clock):
    ec2 = causeway_boto3("ec2")
    ours, theirs = (network.make(ec2, block)["vpc"] for block in ("10.1.0.0/16", "10.2.0.0/16"))
    asked = ec2.create_vpc_peering_connection(VpcId=ours, PeerVpcId=theirs)
    peering = asked["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    before = causeway_clock.now()
    assert (causeway_clock.advance(days=8) - before).days == 8
    shown = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[peering])
    assert shown["VpcPeeringConnections"][0]["Status"]["Code"] == "expired"


def test_what_is_done_with_a_snapshot_is_undone(causeway_server, causeway_account):
    ec2 = causeway_account.boto3()
    with causeway_server.undone():
        kept = network.make(ec2)["vpc"]
        assert other_vpcs(ec2) == [kept]
    assert other_vpcs(ec2) == []


def test_the_server_began_with_the_space(causeway_server):
    assert [space["name"] for space in causeway_server.status()["spaces"]] == ["shared"]
    assert causeway_server.is_healthy()


def test_a_refusal_is_ec2s_own(causeway_boto3):
    with pytest.raises(ClientError, match="InvalidVpcID.NotFound"):
        causeway_boto3("ec2").delete_vpc(VpcId="vpc-0123456789abcdef0")
