"""The densities of z that a flow may have: a standard normal, and a mixture of Gaussians that is trained with it."""
