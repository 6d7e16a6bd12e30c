"""prognosis"""
