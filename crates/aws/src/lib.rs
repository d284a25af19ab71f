//! Pure wire code of the EC2 Query protocol: parameters, XML, SigV4 both ways.
