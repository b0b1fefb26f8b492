"""`pagecast trainer`: claims trainings, and runs each as a process of its own."""
