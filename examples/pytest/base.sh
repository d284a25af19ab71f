# What every server of these tests begins with: a space, which takes a moment in a cloud.
causeway spaces:create shared --team team
