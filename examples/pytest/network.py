"""What this project is about: the network that it makes for a service."""


def make(ec2, block="10.20.0.0/16", port=443, office="203.0.113.0/24"):
    """Makes a VPC with a subnet whose instances take connections from the office alone."""
    vpc = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
    base = block.split("/")[0]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"{base}/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="service", Description="the service")
    allow = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": office}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[allow])
    return {"vpc": vpc, "subnet": subnet, "group": group["GroupId"]}


def launch(ec2, network):
    """Runs an instance of the service."""
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    ran = ec2.run_instances(
        ImageId=image,
        MinCount=1,
        MaxCount=1,
        SubnetId=network["subnet"],
        SecurityGroupIds=[network["group"]],
    )
    instance = ran["Instances"][0]["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})
    return instance
